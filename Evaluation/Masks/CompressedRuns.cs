using System.Buffers;
using System.Text;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Masks;

/// <summary>
/// COCO's compressed form of run lengths: each count, from the fourth on its difference to the count two before, as
/// groups of five bits, lowest first, with bit 5 for "more follows" and the last group's bit 4 as the sign; 48 is added
/// to make it printable (48 … 111).
/// </summary>
public static class CompressedRuns
{
    private const int Offset = 48, Bits = 5, More = 0x20, Sign = 0x10, Low = 0x1f;

    // 31 bits of a count and the sign of a difference.
    private const int LongestCount = 7;

    public static string Encode(RunLengthMask mask) => Encoding.ASCII.GetString(EncodeUtf8(mask));

    /// <summary>The same as bytes.</summary>
    public static byte[] EncodeUtf8(RunLengthMask mask)
    {
        var text = new List<byte>(mask.Counts.Length * 2);
        for (var i = 0; i < mask.Counts.Length; i++)
        {
            var rest = i > 2 ? mask.Counts[i] - mask.Counts[i - 2] : mask.Counts[i];
            while (true)
            {
                var group = rest & Low;
                rest >>= Bits;
                var done = rest == ((group & Sign) != 0 ? -1 : 0);
                text.Add((byte)(Offset + (done ? group : group | More)));
                if (done) break;
            }
        }

        return [.. text];
    }

    /// <exception cref="FormatException">Not the compressed run lengths of a mask of this size.</exception>
    public static RunLengthMask Decode(int width, int height, ReadOnlySpan<char> text)
    {
        var cells = RunLengths.Cells(width, height);
        // No count can be shorter than a character, so the text bounds what is rented.
        var counts = ArrayPool<int>.Shared.Rent(Math.Max(1, text.Length));
        try
        {
            var found = 0;
            for (var at = 0; at < text.Length; found++)
            {
                var start = at;
                var value = Take(text, ref at);
                if (found > 2) value += counts[found - 2];
                if (value < 0 || value > cells)
                    throw new FormatException(
                        $"the count at character {start} is {value}, with {width}x{height} cells");
                counts[found] = (int)value;
            }

            return RunLengths.FromCounts(width, height, counts.AsSpan(0, found));
        }
        finally
        {
            ArrayPool<int>.Shared.Return(counts);
        }
    }

    private static long Take(ReadOnlySpan<char> text, ref int at)
    {
        var (start, value) = (at, 0L);
        for (var shift = 0; ; shift += Bits)
        {
            if (at == text.Length)
                throw new FormatException($"the text ends within the count that begins at character {start}");
            if (at - start == LongestCount) throw new FormatException($"the count at character {start} is too long");
            var group = text[at] - Offset;
            if (group is < 0 or > (More | Low))
                throw new FormatException($"character {at} has the code {(int)text[at]}, not one from 48 to 111");
            at++;
            value |= (long)(group & Low) << shift;
            if ((group & More) != 0) continue;
            return (group & Sign) != 0 ? value - (1L << (shift + Bits)) : value;
        }
    }
}
