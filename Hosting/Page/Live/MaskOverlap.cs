using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>Overlap of run-length masks.</summary>
internal static class MaskOverlap
{
    /// <summary>Intersection over union, 0 … 1; null when a mask is missing or empty, or the grids differ.</summary>
    public static double? IoU(RunLengthMask? a, RunLengthMask? b)
    {
        if (a is null || b is null || (a.Width, a.Height) != (b.Width, b.Height)) return null;
        var both = Intersection(a.Counts, b.Counts);
        var union = a.Area + b.Area - both;
        return union == 0 ? null : (double)both / union;
    }

    /// <summary>Cells that are foreground in both.</summary>
    private static long Intersection(int[] a, int[] b)
    {
        long both = 0;
        // Ends of the current runs; runs with odd index are foreground.
        var (i, j, at, endA, endB) = (-1, -1, 0L, 0L, 0L);
        while (true)
        {
            while (endA <= at && ++i < a.Length) endA += a[i];
            while (endB <= at && ++j < b.Length) endB += b[j];
            if (i >= a.Length || j >= b.Length) return both;
            var end = Math.Min(endA, endB);
            if (i % 2 == 1 && j % 2 == 1) both += end - at;
            at = end;
        }
    }
}
