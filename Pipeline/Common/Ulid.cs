using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>A 26-character ULID: 48 bits of UTC milliseconds, 80 random bits, Crockford base 32 (ulid/spec).</summary>
public static class Ulid
{
    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    public static string New(TimeProvider time)
    {
        Span<byte> bytes = stackalloc byte[16];
        RandomNumberGenerator.Fill(bytes);
        var milliseconds = time.GetUtcNow().ToUnixTimeMilliseconds();
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)(milliseconds >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(bytes[2..], (uint)milliseconds);
        var value = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        return string.Create(26, value, static (text, v) =>
        {
            for (var i = text.Length - 1; i >= 0; i--, v >>= 5) text[i] = Alphabet[(int)(v & 31)];
        });
    }
}
