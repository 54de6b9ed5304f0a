using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Reads numpy's .npz: a zip of .npy files. Only what the reference answers use, little-endian.</summary>
internal sealed partial class Npz : IDisposable
{
    private readonly ZipArchive _zip;

    public Npz(string path) => _zip = ZipFile.OpenRead(path);

    public NpyArray<float> Floats(string name) => Read<float>(name, "<f4");

    public NpyArray<double> Doubles(string name) => Read<double>(name, "<f8");

    public NpyArray<long> Integers(string name) => Read<long>(name, "<i8");

    public NpyArray<Half> Halves(string name) => Read<Half>(name, "<f2");

    public NpyArray<byte> Bytes(string name) => Read<byte>(name, "|u1");

    public void Dispose() => _zip.Dispose();

    private NpyArray<T> Read<T>(string name, string type) where T : unmanaged
    {
        using var stream = (_zip.GetEntry(name + ".npy") ?? throw new KeyNotFoundException(name)).Open();
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        var bytes = memory.ToArray();
        Assert.Equal([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0], bytes[..8]);
        var start = 10 + BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(8));
        var header = Encoding.ASCII.GetString(bytes, 10, start - 10);
        Assert.Contains($"'descr': '{type}'", header);
        var shape = Integer().Matches(Shape().Match(header).Groups[1].Value).Select(m => int.Parse(m.Value)).ToArray();
        var values = MemoryMarshal.Cast<byte, T>(bytes.AsSpan(start)).ToArray();
        return new NpyArray<T>(shape, header.Contains("'fortran_order': True", StringComparison.Ordinal)
            ? RowMajor(values, shape)
            : values);
    }

    private static T[] RowMajor<T>(T[] columnMajor, int[] shape)
    {
        var values = new T[columnMajor.Length];
        var at = new int[shape.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var from = 0;
            for (var axis = shape.Length - 1; axis >= 0; axis--) from = from * shape[axis] + at[axis];
            values[i] = columnMajor[from];
            for (var axis = shape.Length - 1; axis >= 0 && ++at[axis] == shape[axis]; axis--) at[axis] = 0;
        }

        return values;
    }

    [GeneratedRegex(@"'shape': \(([^)]*)\)")]
    private static partial Regex Shape();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Integer();
}

/// <summary>Row-major.</summary>
internal sealed record NpyArray<T>(int[] Shape, T[] Values);
