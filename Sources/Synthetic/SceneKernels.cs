using System.Numerics;
using System.Runtime.InteropServices;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>The loops over all pixels.</summary>
internal static class SceneKernels
{
    /// <summary>One row of the background, moved by a fraction of a pixel:
    /// a weighted mean of four neighbours.</summary>
    /// <param name="upper">Row of the canvas, three values a pixel,
    /// one pixel longer than <paramref name="row"/>.</param>
    /// <param name="lower">The row below it.</param>
    public static void Shift(ReadOnlySpan<float> upper, ReadOnlySpan<float> lower, float fx, float fy, Span<float> row)
    {
        var (a, b, c, d) = ((1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy);
        var i = 0;
        for (; i <= row.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var sum = (new Vector<float>(upper[i..]) * a) + (new Vector<float>(upper[(i + 3)..]) * b)
                + (new Vector<float>(lower[i..]) * c) + (new Vector<float>(lower[(i + 3)..]) * d);
            sum.CopyTo(row[i..]);
        }

        for (; i < row.Length; i++) row[i] = (upper[i] * a) + (upper[i + 3] * b) + (lower[i] * c) + (lower[i + 3] * d);
    }

    /// <summary>Light and noise onto one row, and down to bytes.</summary>
    /// <param name="noise">One value a pixel, the same for its three colours.</param>
    public static void Develop(ReadOnlySpan<float> row, ReadOnlySpan<float> noise, float gain, float strength,
        Span<byte> rgb)
    {
        var pixels = MemoryMarshal.Cast<float, Vector3>(row);
        for (var x = 0; x < pixels.Length; x++)
        {
            var colour =
                Vector3.Clamp((pixels[x] * gain) + new Vector3(noise[x] * strength), Vector3.Zero, new Vector3(255));
            var target = rgb.Slice(x * 3, 3);
            (target[0], target[1], target[2]) = ((byte)colour.X, (byte)colour.Y, (byte)colour.Z);
        }
    }
}
