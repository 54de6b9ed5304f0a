using System.Globalization;

namespace Dvis.Streaming.Hosting.Pictures;

/// <summary>Colours of tracks: stable for an id, and far apart for numbers that follow each other.</summary>
internal static class TrackColor
{
    // Golden angle in degrees: every further step falls into the largest gap of the colour wheel.
    private const double Step = 137.50776405;

    // Light enough for dark pictures, and saturated enough for light ones.
    private const double Saturation = 0.85, Lightness = 0.6;

    /// <summary>Colour of a track as <c>#rrggbb</c>.</summary>
    public static string Of(string epoch, long number)
    {
        var hue = (Hash(epoch) % 360 + number * Step) % 360;
        return string.Create(
            CultureInfo.InvariantCulture, $"#{Channel(hue, 0):x2}{Channel(hue, 8):x2}{Channel(hue, 4):x2}");
    }

    // HSL to RGB: W3C, CSS Color Module Level 4, 7.1.
    private static int Channel(double hue, int n)
    {
        var k = (n + hue / 30) % 12;
        var chroma = Saturation * Math.Min(Lightness, 1 - Lightness);
        return (int)Math.Round(255 * (Lightness - chroma * Math.Max(-1, Math.Min(Math.Min(k - 3, 9 - k), 1))));
    }

    // FNV-1a, 32 bits: the same in every process, unlike string.GetHashCode.
    private static uint Hash(string text)
    {
        var hash = 2166136261u;
        foreach (var c in text) hash = (hash ^ c) * 16777619u;
        return hash;
    }
}
