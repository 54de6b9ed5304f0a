using System.IO.Compression;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Encoder of a map as an 8-bit PNG: samples are the map's values, the palette has the colours of their
/// classes, each thing of a class in a shade of its own. Reused; one thread.</summary>
internal sealed class MapImage(SinkModel model)
{
    // Shades of one class, from its colour to half of it.
    private const int Shades = 5;

    private readonly byte[] _palette = new byte[256 * 3];
    private readonly byte[][] _colors =
        [.. model.Classes.OrderBy(c => c.Id).Select(c => Convert.FromHexString(c.Color.AsSpan(1)))];
    private byte[] _pixels = [];

    /// <returns>Null when the map has more than 255 values, which only runs can carry.</returns>
    public byte[]? Encode(SegmentMap map)
    {
        var largest = 0;
        foreach (var entry in map.Entries) largest = Math.Max(largest, entry.Value);
        if (largest > byte.MaxValue) return null;
        foreach (var entry in map.Entries) Paint(entry);
        if (_pixels.Length != map.Width * map.Height) _pixels = new byte[map.Width * map.Height];
        var (x, y) = (0, 0);
        for (var i = 0; i < map.Runs.Length; i += 2)
        {
            for (var left = map.Runs[i + 1]; left > 0; left--)
            {
                _pixels[y * map.Width + x] = (byte)map.Runs[i];
                if (++y == map.Height) (x, y) = (x + 1, 0);
            }
        }

        return PngWriter.Encode(new PngImage(map.Width, map.Height, 1, _pixels, _palette), CompressionLevel.Fastest);
    }

    private void Paint(SegmentMapEntry entry)
    {
        var shade = 1 - 0.5 / Shades * ((entry.Track ?? 0) % Shades);
        for (var i = 0; i < 3; i++) _palette[entry.Value * 3 + i] = (byte)(_colors[entry.ClassId][i] * shade);
    }
}
