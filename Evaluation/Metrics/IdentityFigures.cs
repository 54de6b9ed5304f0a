using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>
/// How well results keep an object in one prediction, over many videos and whatever the classes. A frame's object is
/// found by the prediction with the highest score among those whose mask has an IoU of 0.5 with it in that frame.
/// </summary>
public sealed class IdentityFigures
{
    private const double Overlap = 0.5;

    private int _visible, _found, _pairs, _linked, _gaps, _returned, _switches;

    /// <summary>Counts one whole video. Crowds have no identity and do not count.</summary>
    public void Add(IReadOnlyList<TruthInstance> truth, IReadOnlyList<PredictedInstance> predictions)
    {
        PredictedInstance[] best = [.. predictions.OrderByDescending(p => p.Score)];
        foreach (var instance in truth)
            if (!instance.IsCrowd) Follow(instance.Masks, best);
    }

    public IdentityReport Report() => new(
        Share(_linked, _pairs), Share(_returned, _gaps), Share(_visible - _found, _visible), _gaps, _switches);

    private static double Share(int part, int whole) => whole == 0 ? -1 : part / (double)whole;

    private static int? Holder(RunLengthMask mask, int frame, PredictedInstance[] best)
    {
        var holder = Array.FindIndex(best,
            p => p.Masks[frame] is { IsEmpty: false } found && RunLengths.IoU(found, mask) >= Overlap);
        return holder < 0 ? null : holder;
    }

    private void Follow(IReadOnlyList<RunLengthMask?> masks, PredictedInstance[] best)
    {
        var (previous, last, hidden) = ((int?)null, (int?)null, false);
        for (var t = 0; t < masks.Count; t++)
        {
            if (masks[t] is not { IsEmpty: false } mask)
            {
                (previous, hidden) = (null, true);
                continue;
            }

            _visible++;
            var holder = Holder(mask, t, best);
            if (holder is not null)
            {
                _found++;
                if (previous is not null) _pairs++;
                if (previous == holder) _linked++;
                if (last is not null && last != holder) _switches++;
                if (last is not null && hidden) _gaps++;
                if (last == holder && hidden) _returned++;
                (last, hidden) = (holder, false);
            }

            previous = holder;
        }
    }
}

/// <summary>Identity figures of a data set; shares 0 … 1, or -1 where there is nothing to ask for.</summary>
/// <param name="Link">
/// Link accuracy: of the objects found in two neighbouring frames, those found by one prediction.
/// </param>
/// <param name="Returned">Of the objects found again after frames without them, those found by the same prediction.
/// </param>
/// <param name="Missed">Of the visible objects of all frames, those that no prediction finds.</param>
/// <param name="Gaps">Objects found again after frames without them.</param>
/// <param name="Switches">Objects found by another prediction than the last time.</param>
public sealed record IdentityReport(double Link, double Returned, double Missed, int Gaps, int Switches);
