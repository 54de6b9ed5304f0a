using System.Buffers.Binary;
using Dvis.Streaming.Sources.Decoding.Nut;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>Writes small NUT streams, right or wrong, for the reader's tests.</summary>
internal sealed class NutWriter
{
    public const ulong Main = 0x4E4D_7A56_1F5F_04AD, Video = 0x4E53_1140_5BF2_F9DB, Syncpoint = 0x4E4B_E4AD_EECA_4569,
        Info = 0x4E49_AB68_B596_BA78;
    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    public MemoryStream ToStream() => new(ToArray());

    /// <summary>File id, main and stream header. Frame code 1: size and timestamp coded; code 2:
    /// fixed size, next tick.</summary>
    public static NutWriter Start(int width, int height, ulong numerator = 1, ulong denominator = 25, ulong shift = 7)
    {
        var nut = new NutWriter();
        nut._bytes.AddRange("nut/multimedia container\0"u8);
        var size = (ulong)(width * height * 3);
        nut.Packet(Main, b => b.V(3).V(1).V(65536).V(1).V(numerator).V(denominator)
            .V((ulong)NutFlags.Invalid).V(6).S(0).V(1).V(0).V(0).V(0).V(1)
            .V((ulong)(NutFlags.Key | NutFlags.CodedPts | NutFlags.SizeMsb)).V(6).S(0).V(1).V(0).V(0).V(0).V(1)
            .V((ulong)NutFlags.Key).V(6).S(1).V(1).V(0).V(size).V(0).V(1)
            .V((ulong)(NutFlags.Coded | NutFlags.CodedPts | NutFlags.SizeMsb)).V(6).S(0).V(1).V(0).V(0).V(0).V(1)
            .V((ulong)NutFlags.Invalid).V(6).S(0).V(1).V(0).V(0).V(0).V(251)
            .V(0));
        nut.Packet(Video, b => b.V(0).V(0).V(4).Raw("RGB\x18"u8).V(0).V(shift).V(50).V(0).V(0).V(0).V((ulong)width)
            .V((ulong)height).V(1).V(1).V(0));
        return nut;
    }

    public NutWriter V(ulong value)
    {
        for (var shift = 56; shift > 0; shift -= 7)
            if (value >> shift != 0) _bytes.Add((byte)(0x80 | ((value >> shift) & 0x7F)));
        _bytes.Add((byte)(value & 0x7F));
        return this;
    }

    public NutWriter S(long value) => V(value > 0 ? (ulong)((2 * value) - 1) : (ulong)(-2 * value));

    public NutWriter Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public NutWriter Packet(ulong startcode, Action<NutWriter> write)
    {
        var body = new NutWriter();
        write(body);
        Span<byte> word = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(word, startcode);
        Raw(word);
        V((ulong)body._bytes.Count + 4);
        // the header's own checksum, which the reader does not need
        if (body._bytes.Count + 4 > 4096) Raw([0, 0, 0, 0]);
        Raw([.. body._bytes]);
        return Raw([0, 0, 0, 0]); // its checksum, likewise
    }

    public NutWriter Sync(ulong ticks) => Packet(Syncpoint, b => b.V(ticks).V(0));

    /// <param name="coded">Coded timestamp: low bits, or the timestamp plus 2^shift.</param>
    public NutWriter Frame(ulong coded, ReadOnlySpan<byte> pixels) =>
        Raw([1]).V(coded).V((ulong)pixels.Length).Raw(pixels);

    public NutWriter NextFrame(ReadOnlySpan<byte> pixels) => Raw([2]).Raw(pixels);
}
