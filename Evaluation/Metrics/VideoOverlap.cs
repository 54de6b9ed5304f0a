using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>The masks of one object through a video, measured once for many comparisons.</summary>
internal sealed class VideoOverlap
{
    private readonly IReadOnlyList<RunLengthMask?> _masks;
    private readonly long[] _areas;

    // Per frame the first cell that is set and the one after the last, in column-major order:
    // what lies apart needs no walk.
    private readonly (int From, int To)[] _spans;

    public VideoOverlap(IReadOnlyList<RunLengthMask?> masks)
    {
        _masks = masks;
        _areas = new long[masks.Count];
        _spans = new (int, int)[masks.Count];
        for (var t = 0; t < masks.Count; t++)
        {
            if (masks[t] is not { IsEmpty: false } mask) continue;
            _areas[t] = mask.Area;
            _spans[t] =
                (mask.Counts[0], mask.Width * mask.Height - (mask.Counts.Length % 2 == 1 ? mask.Counts[^1] : 0));
        }
    }

    /// <summary>Sum of intersections over sum of unions (Yang et al., Video Instance Segmentation, 2019, eq. 2);
    /// 0 when both are empty throughout.</summary>
    /// <exception cref="ArgumentException">The masks of a frame differ in size.</exception>
    public double IoU(VideoOverlap other)
    {
        long both = 0, any = 0;
        for (var t = 0; t < _masks.Count; t++)
        {
            var (a, b) = (_spans[t], other._spans[t]);
            var overlap = a.From < b.To && b.From < a.To ? RunLengths.Overlap(_masks[t]!, other._masks[t]!) : 0;
            both += overlap;
            any += _areas[t] + other._areas[t] - overlap;
        }

        return any == 0 ? 0 : (double)both / any;
    }
}
