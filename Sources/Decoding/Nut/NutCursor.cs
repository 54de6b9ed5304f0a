using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding.Nut;

/// <summary>
/// Cursor over the primitive types of NUT. Running out of bytes is not an error but <see cref="Short"/>: the caller
/// reads more and starts over, so the reads themselves need no checks.
/// </summary>
internal ref struct NutCursor(ReadOnlySpan<byte> data)
{
    private readonly ReadOnlySpan<byte> _data = data;

    public int Position { get; private set; }

    /// <summary>True once a read went past the end; what was read since is invalid.</summary>
    public bool Short { get; private set; }

    public byte Byte()
    {
        if (Position < _data.Length) return _data[Position++];
        Short = true;
        return 0;
    }

    public ulong UInt64() => Take(8) is { IsEmpty: false } bytes ? BinaryPrimitives.ReadUInt64BigEndian(bytes) : 0;

    /// <summary>Type <c>v</c>: seven bits per byte, most significant first; the top bit: more follow.</summary>
    public ulong Variable()
    {
        ulong value = 0;
        for (var i = 0; i < 9; i++)
        {
            var b = Byte();
            value = (value << 7) | (uint)(b & 0x7F);
            if ((b & 0x80) == 0) return value;
        }

        throw NutFault.Malformed("a number longer than 63 bits");
    }

    /// <summary>A variable number that must not exceed <paramref name="limit"/>.</summary>
    public int Bounded(int limit, [CallerArgumentExpression(nameof(limit))] string what = "")
    {
        var value = Variable();
        return value <= (ulong)limit
            ? (int)value
            : throw NutFault.Malformed($"{value} where at most {limit} is allowed ({what})");
    }

    /// <summary>Type <c>s</c>: 0, 1, -1, 2, -2, … as 0, 1, 2, 3, 4, ….</summary>
    public long Signed()
    {
        var value = Variable() + 1;
        return (value & 1) == 0 ? (long)(value >> 1) : -(long)(value >> 1);
    }

    /// <summary>Type <c>vb</c>: a length and that many bytes.</summary>
    public ReadOnlySpan<byte> Bytes(int limit) => Take(Bounded(limit));

    public void SkipChecksum() => Take(4);

    private ReadOnlySpan<byte> Take(int count)
    {
        if (_data.Length - Position >= count)
        {
            Position += count;
            return _data.Slice(Position - count, count);
        }

        Short = true;
        Position = _data.Length;
        return default;
    }
}

internal static class NutFault
{
    /// <summary>The bytes are not the expected NUT.</summary>
    public static SourceException Malformed(string what) =>
        new(SourceFault.DecodeErrors, $"The decoder's output is not valid NUT: {what}.");

    /// <summary>The stream stopped within a header or a frame: the decoder died.</summary>
    public static SourceException Truncated() => new(SourceFault.Eof, "The decoder's output ended within a frame.");
}
