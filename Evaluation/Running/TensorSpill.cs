using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// Rows of float32 on disk instead of in memory: a temporary file that has no name any more once it is open, so that
/// nothing is left behind however the process ends. It lies where temporary files lie (<c>TMPDIR</c>). Rows may be
/// stored as float16. Not thread-safe.
/// </summary>
public sealed class TensorSpill : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly bool _half;
    private readonly byte[] _buffer;

    /// <param name="rowLength">Values a row.</param>
    /// <param name="half">True: two bytes a value, to 11 significant bits.</param>
    /// <exception cref="IOException">There is no room for temporary files.</exception>
    public TensorSpill(int rowLength, bool half)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rowLength, 1);
        (RowLength, _half) = (rowLength, half);
        _buffer = new byte[checked(rowLength * (half ? sizeof(ushort) : sizeof(float)))];
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        _file =
            File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        File.Delete(path);
    }

    public int RowLength { get; }

    /// <summary>Bytes on disk.</summary>
    public long Bytes => RandomAccess.GetLength(_file);

    /// <param name="values">A row, or as many values of it from <paramref name="start"/> on.</param>
    public void Write(int row, ReadOnlySpan<float> values, int start = 0)
    {
        var bytes = Part(values.Length, start);
        if (_half) TensorPrimitives.ConvertToHalf(values, MemoryMarshal.Cast<byte, Half>(bytes));
        else MemoryMarshal.AsBytes(values).CopyTo(bytes);
        RandomAccess.Write(_file, bytes, Place(row, start));
    }

    /// <param name="values">A row, or as many values of it from <paramref name="start"/> on.</param>
    /// <exception cref="EndOfStreamException">That row was never written.</exception>
    public void Read(int row, Span<float> values, int start = 0)
    {
        var bytes = Part(values.Length, start);
        for (var done = 0; done < bytes.Length;)
        {
            var read = RandomAccess.Read(_file, bytes[done..], Place(row, start) + done);
            if (read == 0) throw new EndOfStreamException($"There is no row {row}.");
            done += read;
        }

        if (_half) TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), values);
        else MemoryMarshal.Cast<byte, float>(bytes).CopyTo(values);
    }

    public void Dispose() => _file.Dispose();

    private Span<byte> Part(int count, int start)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, RowLength - start);
        return _buffer.AsSpan(0, count * (_half ? sizeof(ushort) : sizeof(float)));
    }

    private long Place(int row, int start) =>
        ((long)row * RowLength + start) * (_half ? sizeof(ushort) : sizeof(float));
}
