using System.Runtime.InteropServices;

namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>How the segments of a predicted frame lie over those of the true one:
/// everything the panoptic metrics need of a frame.</summary>
/// <param name="Pixels">By true and predicted id, those of no segment (0) too.</param>
/// <param name="Truth">Each id once, with its area.</param>
/// <param name="Prediction">Each id once, with its area.</param>
internal sealed record FrameOverlap(
    IReadOnlyDictionary<(int Truth, int Prediction), long> Pixels, IReadOnlyList<PanopticSegment> Truth,
    IReadOnlyList<PanopticSegment> Prediction)
{
    /// <param name="frame">For messages.</param>
    /// <exception cref="EvaluationException">The frames differ in size,
    /// or the predicted map and its list of segments do not agree.</exception>
    public static FrameOverlap Of(PanopticFrame truth, PanopticFrame prediction,
        IReadOnlyDictionary<int, Category> categories, string frame)
    {
        if (truth.Width != prediction.Width || truth.Height != prediction.Height)
            throw new EvaluationException(
                $"{frame}: the prediction is {prediction.Width}x{prediction.Height} pixels, the truth "
                + $"{truth.Width}x{truth.Height}.");
        var pixels = Count(truth.Ids, prediction.Ids);
        var (trueAreas, areas) = (Areas(pixels, p => p.Truth), Areas(pixels, p => p.Prediction));
        var predicted = Once(prediction.Segments, (id, _) => areas.GetValueOrDefault(id));
        foreach (var id in areas.Keys)
            if (id != 0 && !predicted.Any(s => s.Id == id))
                throw new EvaluationException(
                    $"{frame}: the predicted map shows the segment {id}, its list of segments does not have it.");
        foreach (var segment in predicted)
        {
            if (!areas.ContainsKey(segment.Id))
                throw new EvaluationException(
                    $"{frame}: the predicted segment {segment.Id} is listed, the map does not show it.");
            if (!categories.ContainsKey(segment.CategoryId))
                throw new EvaluationException(
                    $"{frame}: the predicted segment {segment.Id} has the category_id {segment.CategoryId}, the truth "
                    + $"has no such category.");
        }

        var wanted = Once(truth.Segments, (id, stated) => stated ?? trueAreas.GetValueOrDefault(id));
        foreach (var segment in wanted)
            if (!categories.ContainsKey(segment.CategoryId))
                throw new EvaluationException(
                    $"{frame}: the true segment {segment.Id} has the category_id {segment.CategoryId}, the truth has "
                    + $"no such category.");
        return new FrameOverlap(pixels, wanted, predicted);
    }

    private static Dictionary<(int Truth, int Prediction), long> Count(int[] truth, int[] prediction)
    {
        var pixels = new Dictionary<(int, int), long>();
        // Neighbours mostly belong together: the table is touched once a stretch.
        for (var start = 0; start < truth.Length;)
        {
            var (t, p) = (truth[start], prediction[start]);
            var end = start + 1;
            while (end < truth.Length && truth[end] == t && prediction[end] == p) end++;
            CollectionsMarshal.GetValueRefOrAddDefault(pixels, (t, p), out _) += end - start;
            start = end;
        }

        return pixels;
    }

    private static Dictionary<int, long> Areas(Dictionary<(int Truth, int Prediction), long> pixels,
        Func<(int Truth, int Prediction), int> id)
        => pixels.GroupBy(p => id(p.Key)).ToDictionary(g => g.Key, g => g.Sum(p => p.Value));

    /// <summary>A segment that is listed several times is one; the first entry says what it is,
    /// stated areas add up.</summary>
    private static PanopticSegment[] Once(IReadOnlyList<PanopticSegment> segments, Func<int, long?, long> area)
        => [.. segments.GroupBy(s => s.Id).Select(g =>
            g.First() with { Area = area(g.Key, g.All(s => s.Area is not null) ? g.Sum(s => s.Area) : null) })];
}
