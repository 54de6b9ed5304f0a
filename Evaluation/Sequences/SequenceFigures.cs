using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Sequences;

/// <summary>
/// How well published tracks find the one annotated object of a sequence. In each frame the track with the highest IoU
/// is compared; from <see cref="Match"/> on it is the matched one. Frames with an empty annotation do not count, except
/// for the number of tracks.
/// </summary>
/// <param name="Recall">Share of the frames with a matched track, 0 … 1; null: no frame counts.</param>
/// <param name="J">Mean IoU of the best track, 0 … 1, 0 where there is none; null: no frame counts.</param>
/// <param name="ClassRight">
/// Share of the matched frames in which the track's class is right; null: none matched, or the right class is unknown.
/// </param>
/// <param name="TracksPerFrame">Published tracks, mean over all frames.</param>
/// <param name="Ids">Different tracks that were matched.</param>
/// <param name="Switches">How often the matched track is another than in the matched frame before.</param>
public sealed record SequenceFigures(
    double? Recall, double? J, double? ClassRight, double TracksPerFrame, int Ids, int Switches)
{
    /// <summary>IoU from which a track has found the object.</summary>
    public const double Match = 0.5;

    /// <param name="masks">The object in each frame; may be empty.</param>
    /// <param name="tracks">The tracks published of each frame, on the grid of its mask.</param>
    /// <param name="isRight">Whether this class is right for the object; null: unknown.</param>
    public static SequenceFigures Of(
        IReadOnlyList<RunLengthMask> masks, IReadOnlyList<IReadOnlyList<PublishedTrack>> tracks,
        Predicate<int>? isRight)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(tracks.Count, masks.Count);
        var (counted, sum, right, switches) = (0, 0.0, 0, 0);
        var matched = new List<TrackId>();
        for (var t = 0; t < masks.Count; t++)
        {
            if (masks[t].IsEmpty) continue;
            counted++;
            var (best, iou) = PublishedTrack.Best(tracks[t], masks[t]);
            sum += iou;
            if (best is null || iou < Match) continue;
            if (matched.Count > 0 && matched[^1] != best.Id) switches++;
            matched.Add(best.Id);
            if (isRight?.Invoke(best.ClassId) == true) right++;
        }

        return new SequenceFigures(
            Share(matched.Count, counted), Share(sum, counted), isRight is null ? null : Share(right, matched.Count),
            tracks.Count == 0 ? 0 : tracks.Average(t => t.Count), matched.Distinct().Count(), switches);
    }

    private static double? Share(double part, int whole) => whole == 0 ? null : part / whole;
}

/// <summary>A sequence that was evaluated.</summary>
public sealed record SequenceReport(string Name, int Frames, SequenceFigures Provisional, SequenceFigures Final);

/// <summary>Means over sequences, each of those that have the figure; null: none has.</summary>
public sealed record MeanFigures(double? Recall, double? J, double? ClassRight, double? Switches)
{
    public static MeanFigures Of(IReadOnlyCollection<SequenceFigures> sequences) => new(
        sequences.Average(s => s.Recall), sequences.Average(s => s.J),
        sequences.Average(s => s.ClassRight), sequences.Average(s => (double?)s.Switches));
}
