using System.Buffers.Binary;
using System.IO.Compression;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>Writer of label maps as PNG: 8 bits per sample, gray, indices of a palette, RGB or RGBA.</summary>
public static class PngWriter
{
    private const byte FilterUp = 2;

    private static readonly uint[] s_table = [.. Enumerable.Range(0, 256)
        .Select(n => Enumerable.Range(0, 8).Aggregate((uint)n, (c, _) => (c & 1) != 0 ? 0xEDB88320 ^ c >> 1 : c >> 1))];

    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, PngImage image) => File.WriteAllBytes(path, Encode(image));

    /// <exception cref="ArgumentException">
    /// Not 1, 3 or 4 channels, a palette for more than one or of a wrong size, or not one byte per sample.
    /// </exception>
    public static byte[] Encode(PngImage image, CompressionLevel level = CompressionLevel.Optimal)
    {
        var palette = image.Palette;
        if (image.Channels is not (1 or 3 or 4) || (palette is not null && image.Channels != 1))
            throw new ArgumentException(
                $"A PNG of {image.Channels} channels{(palette is null ? "" : " and a palette")} is not written.",
                nameof(image));
        if (palette is not null && (palette.Length is 0 or > 768 || palette.Length % 3 != 0))
            throw new ArgumentException($"A palette of {palette.Length} bytes is not written.", nameof(image));
        ArgumentOutOfRangeException.ThrowIfNotEqual(image.Pixels.Length, image.Width * image.Height * image.Channels);
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, image.Width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), image.Height);
        (header[8], header[9]) =
            (8, image.Channels switch { 1 => palette is null ? (byte)0 : (byte)3, 3 => (byte)2, _ => (byte)6 });
        Chunk(file, "IHDR"u8, header);
        if (palette is not null) Chunk(file, "PLTE"u8, palette);
        Chunk(file, "IDAT"u8, Pack(image, level));
        Chunk(file, "IEND"u8, []);
        return file.ToArray();
    }

    /// <summary>Every row as its difference to the one above: in label maps it is mostly zero.</summary>
    private static byte[] Pack(PngImage image, CompressionLevel level)
    {
        var stride = image.Width * image.Channels;
        var row = new byte[stride + 1];
        row[0] = FilterUp;
        using var packed = new MemoryStream();
        using (var stream = new ZLibStream(packed, level, leaveOpen: true))
        {
            for (var y = 0; y < image.Height; y++)
            {
                var at = y * stride;
                for (var i = 0; i < stride; i++)
                    row[i + 1] = (byte)(image.Pixels[at + i] - (y == 0 ? 0 : image.Pixels[at - stride + i]));
                stream.Write(row);
            }
        }

        return packed.ToArray();
    }

    /// <summary>CRC-32 of a chunk (ISO 3309, reflected, polynomial 0xEDB88320).</summary>
    internal static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes) crc = s_table[(byte)(crc ^ value)] ^ crc >> 8;
        return ~crc;
    }

    private static void Chunk(MemoryStream file, ReadOnlySpan<byte> type, ReadOnlySpan<byte> content)
    {
        byte[] body = [.. type, .. content];
        var number = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
        file.Write(number);
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc(body));
        file.Write(number);
    }
}

/// <summary>A decoded PNG.</summary>
/// <param name="Channels">1 gray or palette index, 2 gray and alpha, 3 RGB, 4 RGBA.</param>
/// <param name="Pixels">
/// Row-major, [Height,Width,Channels]. Gray of fewer than 8 bits keeps its values: label maps are numbers, not
/// brightness.
/// </param>
/// <param name="Palette">RGB of each index; null when there is none.</param>
public sealed record PngImage(int Width, int Height, int Channels, byte[] Pixels, byte[]? Palette = null);
