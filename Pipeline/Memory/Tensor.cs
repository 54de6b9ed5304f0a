using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>
/// A dense float32 tensor in native memory (64-byte aligned, row-major). Not thread-safe; one owner, whose
/// <see cref="Dispose"/> frees the memory or returns it to the <see cref="TensorPool"/> it was rented from.
/// </summary>
public sealed class Tensor : IDisposable
{
    private readonly TensorPool? _pool;
    private nint _data;

    /// <summary>Zeros.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The shape has no elements or more than 2^31-1.</exception>
    public unsafe Tensor(params ReadOnlySpan<long> shape)
    {
        (Shape, Length) = (shape.ToArray(), Count(shape));
        _data = (nint)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        NativeMemory.Clear((void*)_data, (nuint)Bytes);
    }

    // A forgotten tensor must show as outstanding in its pool: the finalizer does not return it.
    internal Tensor(TensorPool pool, nint data, int length, long[] shape)
    {
        (_pool, _data, Length, Shape) = (pool, data, length, shape);
        GC.SuppressFinalize(this);
    }

    public long[] Shape { get; }

    /// <summary>Elements.</summary>
    public int Length { get; }

    public nint Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data == 0, this);
            return _data;
        }
    }

    public unsafe Span<float> Span => new((void*)Data, Length);

    private long Bytes => (long)Length * sizeof(float);

    public unsafe void Dispose()
    {
        var data = Interlocked.Exchange(ref _data, 0);
        if (data == 0) return;
        if (_pool is not null) _pool.Return(data, Bytes, Shape);
        else NativeMemory.AlignedFree((void*)data);
        GC.SuppressFinalize(this);
    }

    ~Tensor() => Dispose();

    internal static int Count(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (var side in shape)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(side, 1, nameof(shape));
            count = checked(count * side);
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, int.MaxValue, nameof(shape));
        return (int)count;
    }
}
