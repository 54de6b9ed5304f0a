using System.Buffers.Binary;
using System.IO.Compression;
using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.Masks;

/// <summary>
/// Strict reader of label maps: gray and palette of 1 to 8 bits, RGB and alpha of 8, not interlaced. Checksums, order
/// and amounts must be right, and nothing is allocated that the file is too small to fill.
/// </summary>
public static class PngReader
{
    private const int LargestSide = 1 << 15;
    private const long LargestPixels = 1 << 28;

    // Deflate packs at most 1032 bytes into one.
    private const long MostPacked = 1032;
    private const int Gray = 0, Rgb = 2, Indexed = 3, GrayAlpha = 4, RgbAlpha = 6;

    private static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];

    /// <exception cref="FormatException">Damaged, or of a kind that is not read, with the reason.</exception>
    public static PngImage Decode(ReadOnlySpan<byte> file)
    {
        if (!file.StartsWith(Signature)) throw new FormatException("it is not a PNG");
        file = file[Signature.Length..];
        Header? header = null;
        byte[]? palette = null;
        using var packed = new MemoryStream();
        var (ended, interrupted) = (false, false);
        while (!ended)
        {
            var (type, content) = Chunk(ref file);
            if (header is null != (type == "IHDR"))
                throw new FormatException(header is null ? "it does not begin with IHDR" : "it has a second IHDR");
            switch (type)
            {
                case "IHDR":
                    header = Header.Parse(content);
                    break;
                case "PLTE":
                    if (content.Length is 0 or > 768 || content.Length % 3 != 0)
                        throw new FormatException($"its palette has {content.Length} bytes");
                    palette = content.ToArray();
                    break;
                case "IDAT":
                    if (interrupted) throw new FormatException("its data is interrupted by another chunk");
                    packed.Write(content);
                    break;
                case "IEND":
                    ended = true;
                    break;
                default:
                    if (char.IsAsciiLetterUpper(type[0])) throw new FormatException($"it has the unknown chunk {type}");
                    break;
            }

            interrupted = packed.Length > 0 && type != "IDAT";
        }

        if (header!.Type == Indexed && palette is null) throw new FormatException("it has no palette");
        packed.Position = 0;
        return new PngImage(header.Width, header.Height, header.Channels, Unpack(header, packed), header.Type == Indexed
            ? palette
            : null);
    }

    private static (string Type, byte[] Content) Chunk(ref ReadOnlySpan<byte> file)
    {
        if (file.Length < 12) throw new FormatException("it ends too early");
        var length = BinaryPrimitives.ReadUInt32BigEndian(file);
        if (length > file.Length - 12) throw new FormatException("it ends too early");
        var body = file.Slice(4, (int)length + 4);
        var type = System.Text.Encoding.ASCII.GetString(body[..4]);
        if (PngWriter.Crc(body) != BinaryPrimitives.ReadUInt32BigEndian(file[(8 + (int)length)..]))
            throw new FormatException($"its chunk {type} is damaged");
        file = file[(12 + (int)length)..];
        return (type, body[4..].ToArray());
    }

    private static byte[] Unpack(Header header, MemoryStream packed)
    {
        var stride = (header.Width * header.Channels * header.Depth + 7) / 8;
        if ((stride + 1L) * header.Height > packed.Length * MostPacked)
            throw new FormatException("it has too little data for its size");
        var pixels = new byte[header.Width * header.Channels * header.Height];
        byte[] row = new byte[stride + 1], before = new byte[stride];
        try
        {
            using var stream = new ZLibStream(packed, CompressionMode.Decompress);
            for (var y = 0; y < header.Height; y++)
            {
                stream.ReadExactly(row);
                var bytes = row.AsSpan(1);
                Unfilter(row[0], bytes, before, Math.Max(1, header.Channels * header.Depth / 8));
                bytes.CopyTo(before);
                Spread(bytes, pixels.AsSpan(y * header.Width * header.Channels, header.Width * header.Channels),
                    header.Depth);
            }

            if (stream.ReadByte() >= 0) throw new FormatException("it has more data than its size needs");
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw new FormatException("its data is damaged", e);
        }

        return pixels;
    }

    /// <param name="step">Bytes per pixel.</param>
    private static void Unfilter(byte filter, Span<byte> row, ReadOnlySpan<byte> above, int step)
    {
        switch (filter)
        {
            case 0:
                break;
            case 1:
                for (var i = step; i < row.Length; i++) row[i] += row[i - step];
                break;
            case 2:
                TensorPrimitives.Add(row, above, row);
                break;
            case 3:
                for (var i = 0; i < row.Length; i++) row[i] += (byte)(((i < step ? 0 : row[i - step]) + above[i]) / 2);
                break;
            case 4:
                for (var i = 0; i < step; i++) row[i] += above[i];
                for (var i = step; i < row.Length; i++) row[i] += (byte)Paeth(row[i - step], above[i], above[i - step]);
                break;
            default:
                throw new FormatException($"it uses the unknown filter {filter}");
        }
    }

    /// <summary>The one of left, up and corner nearest to left + up - corner (PNG specification, 9.4).</summary>
    private static int Paeth(int left, int up, int corner)
    {
        var (toLeft, toUp, toCorner) =
            (Math.Abs(up - corner), Math.Abs(left - corner), Math.Abs(left + up - 2 * corner));
        return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
    }

    private static void Spread(ReadOnlySpan<byte> row, Span<byte> samples, int depth)
    {
        if (depth == 8)
        {
            row.CopyTo(samples);
            return;
        }

        var (perByte, mask) = (8 / depth, (1 << depth) - 1);
        for (var x = 0; x < samples.Length; x++)
            samples[x] = (byte)(row[x / perByte] >> (perByte - 1 - x % perByte) * depth & mask);
    }

    private sealed record Header(int Width, int Height, int Depth, int Type)
    {
        public int Channels => Type switch { Rgb => 3, GrayAlpha => 2, RgbAlpha => 4, _ => 1 };

        public static Header Parse(ReadOnlySpan<byte> content)
        {
            if (content.Length != 13) throw new FormatException($"its header has {content.Length} bytes");
            var (width, height) =
                (BinaryPrimitives.ReadUInt32BigEndian(content), BinaryPrimitives.ReadUInt32BigEndian(content[4..]));
            var (depth, type) = (content[8], content[9]);
            if (width is 0 or > LargestSide || height is 0 or > LargestSide || (long)width * height > LargestPixels)
                throw new FormatException($"{width}x{height} pixels are not read");
            if (type is not (Gray or Rgb or Indexed or GrayAlpha or RgbAlpha))
                throw new FormatException($"it has the unknown colour type {type}");
            if (depth != 8 && !(depth is 1 or 2 or 4 && type is Gray or Indexed))
                throw new FormatException($"{depth} bits a sample (colour type {type}) are not read");
            if (content[10] != 0 || content[11] != 0)
                throw new FormatException("its compression or filter method is unknown");
            if (content[12] != 0) throw new FormatException("it is interlaced, which is not read");
            return new Header((int)width, (int)height, depth, type);
        }
    }
}
