using System.Runtime.InteropServices;

namespace Dvis.Streaming.Hosting.Pictures;

/// <summary>Loops over pixels.</summary>
internal static class PictureKernels
{
    /// <summary>Copies packed RGB24 to RGBA32 with full alpha.</summary>
    /// <param name="rgb">3 bytes per pixel.</param>
    /// <param name="rgba">4 bytes per pixel.</param>
    public static void Expand(ReadOnlySpan<byte> rgb, Span<byte> rgba)
    {
        var pixels = MemoryMarshal.Cast<byte, uint>(rgba);
        rgb = rgb[..(pixels.Length * 3)];
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = rgb[3 * i] | ((uint)rgb[3 * i + 1] << 8) | ((uint)rgb[3 * i + 2] << 16) | 0xFF000000;
    }
}
