using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Axis-aligned box in source pixels, COCO order, clipped to the frame, tight around the mask.</summary>
public readonly record struct Box(float X, float Y, float Width, float Height);

/// <summary>A closed polygon in source pixels: x0,y0,x1,y1,…</summary>
public sealed record Contour(ImmutableArray<float> Points);

/// <summary>
/// A binary mask as COCO run lengths: column-major, counts start with background, all counts sum to Width*Height.
/// The grid may be coarser than the frame (<see cref="PublishOptions.MaskGrid"/> source pixels per cell).
/// </summary>
public sealed record RunLengthMask(int Width, int Height, int[] Counts)
{
    /// <summary>Foreground cells.</summary>
    public long Area
    {
        get
        {
            long area = 0;
            for (var i = 1; i < Counts.Length; i += 2) area += Counts[i];
            return area;
        }
    }

    public bool IsEmpty => Counts.Length < 2;

    /// <summary>The smallest rectangle of cells that holds the mask; all 0 when it is empty.</summary>
    public (int X, int Y, int Width, int Height) Bounds()
    {
        var (left, right, top, bottom) = (int.MaxValue, -1, int.MaxValue, -1);
        var start = 0L;
        for (var i = 0; i < Counts.Length; start += Counts[i++])
        {
            if (i % 2 == 0 || Counts[i] == 0) continue;
            var end = start + Counts[i] - 1;
            var (first, last) = ((int)(start / Height), (int)(end / Height));
            left = Math.Min(left, first);
            right = Math.Max(right, last);
            // A run over several columns touches the bottom of one and the top of the next.
            top = Math.Min(top, first == last ? (int)(start % Height) : 0);
            bottom = Math.Max(bottom, first == last ? (int)(end % Height) : Height - 1);
        }

        return right < 0 ? default : (left, top, right - left + 1, bottom - top + 1);
    }
}
