namespace Dvis.Streaming.Sources.Decoding.Nut;

/// <summary>CRC-32 with polynomial 0x04C11DB7, most significant bit first, start value 0:
/// over data and its checksum it is 0.</summary>
internal static class NutCrc
{
    private static readonly uint[] s_table = CreateTable();

    public static uint Of(ReadOnlySpan<byte> data)
    {
        uint crc = 0;
        foreach (var b in data) crc = (crc << 8) ^ s_table[(crc >> 24) ^ b];
        return crc;
    }

    private static uint[] CreateTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            var crc = i << 24;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 0x8000_0000) != 0 ? (crc << 1) ^ 0x04C1_1DB7 : crc << 1;
            table[i] = crc;
        }

        return table;
    }
}
