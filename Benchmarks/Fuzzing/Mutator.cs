using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Dvis.Streaming.Benchmarks.Fuzzing;

/// <summary>Makes hostile inputs from good ones.</summary>
internal sealed class Mutator(Random random, string[] tokens)
{
    private const int Longest = 1 << 16;
    private static readonly long[] s_edges = [0, 1, -1, 2, 7, 8, 63, 64, 127, 128, 255, 256, 32767, 65535, 65536,
        100_000, 1 << 24, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue];

    /// <summary>One of the seeds, changed once to a dozen times.</summary>
    public byte[] Change(IReadOnlyList<byte[]> seeds)
    {
        var input = seeds[random.Next(seeds.Count)];
        for (var i = 1 + random.Next(random.Next(3) == 0 ? 12 : 3); i > 0; i--) input = Once(input, seeds);
        return input.Length > Longest ? input[..Longest] : input;
    }

    private byte[] Once(byte[] input, IReadOnlyList<byte[]> seeds)
    {
        var (at, other) = (random.Next(input.Length + 1), seeds[random.Next(seeds.Count)]);
        var length = Math.Min(input.Length - at, Length(input.Length));
        switch (random.Next(10))
        {
            case 0: // a bit
                return Set(input, at, b => (byte)(b ^ 1 << random.Next(8)));
            case 1: // a byte
                return Set(input, at, _ => (byte)random.Next(256));
            case 2: // a number, as bytes
                return Replace(input, at, Math.Min(8, input.Length - at), Number());
            case 3: // a number, as text
                return Digits(input, at);
            case 4: // a word of the format
                return tokens.Length == 0 ? input : Replace(input, at, random.Next(2) * length,
                    Encoding.UTF8.GetBytes(tokens[random.Next(tokens.Length)]));
            case 5: // less
                return Replace(input, at, length, []);
            case 6: // more of the same
                return Replace(input, at, 0, Repeat(input.AsSpan(at, length)));
            case 7: // a piece of another
                var from = random.Next(other.Length + 1);
                return Replace(input, at, length,
                    other.AsSpan(from, Math.Min(other.Length - from, Length(other.Length))));
            case 8: // the end is missing
                return input[..at];
            default: // two places change places
                var to = random.Next(input.Length + 1);
                return Replace(input, at, length, input.AsSpan(to, Math.Min(input.Length - to, length)));
        }
    }

    private int Length(int most) => random.Next(4) == 0 ? random.Next(most + 1) : random.Next(1 + Math.Min(most, 16));

    private byte[] Repeat(ReadOnlySpan<byte> piece)
    {
        var times = random.Next(10) == 0 ? random.Next(1, 500) : random.Next(1, 4);
        var all = new byte[Math.Min(Longest, piece.Length * times)];
        for (var i = 0; i < all.Length; i++) all[i] = piece[i % piece.Length];
        return all;
    }

    private byte[] Number()
    {
        var bytes = new byte[1 << random.Next(4)];
        var value = s_edges[random.Next(s_edges.Length)];
        Span<byte> whole = stackalloc byte[8];
        if (random.Next(2) == 0)
        {
            BinaryPrimitives.WriteInt64BigEndian(whole, value);
            whole[^bytes.Length..].CopyTo(bytes);
        }
        else
        {
            BinaryPrimitives.WriteInt64LittleEndian(whole, value);
            whole[..bytes.Length].CopyTo(bytes);
        }

        return bytes;
    }

    /// <summary>The next number in a text becomes another.</summary>
    private byte[] Digits(byte[] input, int at)
    {
        var start = input.AsSpan(at).IndexOfAnyInRange((byte)'0', (byte)'9');
        if (start < 0) return input;
        var end = at + start;
        while (end < input.Length && input[end] is >= (byte)'0' and <= (byte)'9') end++;
        var text = random.Next(6) switch
        {
            0 => $"{random.NextDouble() * 1000:0.0000}",
            1 => $"{random.Next(1, 10)}e{random.Next(-400, 400)}",
            _ => s_edges[random.Next(s_edges.Length)].ToString(CultureInfo.InvariantCulture),
        };
        return Replace(input, at + start, end - at - start, Encoding.ASCII.GetBytes(text));
    }

    private static byte[] Set(byte[] input, int at, Func<byte, byte> change)
    {
        if (at == input.Length) return input;
        var changed = input.ToArray();
        changed[at] = change(changed[at]);
        return changed;
    }

    private static byte[] Replace(ReadOnlySpan<byte> input, int at, int length, ReadOnlySpan<byte> with) =>
        [.. input[..at], .. with, .. input[(at + length)..]];
}
