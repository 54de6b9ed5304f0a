namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>CRC-32 of PNG chunks (ISO 3309, reflected, polynomial 0xEDB88320).</summary>
internal static class PngCrc
{
    private static readonly uint[] s_table = [.. Enumerable.Range(0, 256)
        .Select(n => Enumerable.Range(0, 8).Aggregate((uint)n, (c, _) => (c & 1) != 0 ? 0xEDB88320 ^ c >> 1 : c >> 1))];

    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes) crc = s_table[(byte)(crc ^ value)] ^ crc >> 8;
        return ~crc;
    }
}
