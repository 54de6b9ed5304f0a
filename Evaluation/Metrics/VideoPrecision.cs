using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>
/// Video average precision and recall as the YouTube-VIS evaluator computes them. Videos are added one by one, in any
/// order; what stays of each is a few bytes a detection. At most 100 detections a video <em>and category</em> count,
/// the best first; ties keep their order.
/// </summary>
/// <remarks>Quirks kept: an absent category is left out of the means; a crowd may be matched often; the area is the
/// mean over the frames where the object is seen.</remarks>
public sealed class VideoPrecision
{
    /// <summary>IoU from which on a detection is right: 0.5, 0.55 … 0.95.</summary>
    public static IReadOnlyList<double> Thresholds
    { get; } = [.. Enumerable.Range(0, 10).Select(i => 0.5 + i * ((0.95 - 0.5) / 9))];

    /// <summary>Detections a video and category that count for AR1, AR10 and everything else.</summary>
    internal static readonly int[] MaxDetections = [1, 10, 100];

    /// <summary>Mean area in pixels, both ends included: all, small, medium, large.</summary>
    internal static readonly (double From, double To)[] Areas =
        [(0, 1e10), (0, 128 * 128), (128 * 128, 256 * 256), (256 * 256, 1e10)];

    private readonly SortedDictionary<int, CategoryTally> _categories = [];
    private readonly CategoryTally? _agnostic; // every object and detection; null: they are scored by category
    private readonly HashSet<long> _videos = [];

    private CategoryTally[] Tallies => _agnostic is null ? [.. _categories.Values] : [_agnostic];

    /// <param name="classAgnostic">True: all categories are scored as one (the evaluator's <c>useCats = 0</c>): a
    /// detection is right whatever its class, and 100 count per video.</param>
    public VideoPrecision(IEnumerable<Category> categories, bool classAgnostic = false)
    {
        foreach (var category in categories) _categories[category.Id] = new CategoryTally(category);
        if (classAgnostic) _agnostic = new CategoryTally(new Category(-1, "any"));
    }

    public int Videos => _videos.Count;

    /// <summary>The videos that were scored.</summary>
    internal IReadOnlyCollection<long> VideoIds => _videos;

    /// <summary>Scores one whole video.
    /// The order of <paramref name="predictions"/> decides between equal scores.</summary>
    /// <exception cref="EvaluationException">A category the data set does not have, a score that is no number, masks
    /// for another number of frames or of another size, or the video was added before.</exception>
    public void Add(VideoInfo video, IReadOnlyList<TruthInstance> truth, IReadOnlyList<PredictedInstance> predictions)
    {
        Check(video, truth, predictions);
        if (!_videos.Add(video.Id)) throw new EvaluationException($"video {video.Id} was scored before.");
        if (_agnostic is not null)
        {
            // The evaluator puts the categories one behind the other, which decides between equal scores.
            Add(_agnostic, video, truth.OrderBy(t => t.CategoryId), predictions.OrderBy(p => p.CategoryId));
            return;
        }

        foreach (var (id, tally) in _categories)
            Add(tally, video, truth.Where(t => t.CategoryId == id), predictions.Where(p => p.CategoryId == id));
    }

    public PrecisionReport Report() => PrecisionReport.Of(Tallies);

    /// <summary>
    /// AP and AP50 where each video counts as often as is given, 0 without an object; after all were added.
    /// </summary>
    internal (double Ap, double Ap50) Weighted(IReadOnlyDictionary<long, int> often)
    {
        double[][] found = [.. Tallies.Select(t => t.Precision(often)).Where(p => p.Length > 0)];
        return found.Length == 0 ? (0, 0) : (found.Average(p => p.Average()), found.Average(p => p[0]));
    }

    private static void Add(
        CategoryTally tally, VideoInfo video, IEnumerable<TruthInstance> truth,
        IEnumerable<PredictedInstance> predictions)
    {
        TruthInstance[] wanted = [.. truth];
        PredictedInstance[] found = [.. predictions.OrderByDescending(p => p.Score).Take(MaxDetections[^1])];
        if (wanted.Length > 0 || found.Length > 0) tally.Add(video.Id, wanted, found);
    }

    private void Check(VideoInfo video, IReadOnlyList<TruthInstance> truth,
        IReadOnlyList<PredictedInstance> predictions)
    {
        foreach (var t in truth) Check($"video {video.Id}: object {t.Id}", t.CategoryId, t.Masks);
        foreach (var (i, p) in predictions.Index())
        {
            Check($"video {video.Id}: prediction {i}", p.CategoryId, p.Masks);
            if (!double.IsFinite(p.Score))
                throw new EvaluationException(
                    $"video {video.Id}: prediction {i}: score: found {p.Score}, expected a number.");
        }

        void Check(string entry, int category, IReadOnlyList<RunLengthMask?> masks)
        {
            if (!_categories.ContainsKey(category))
                throw new EvaluationException(
                    $"{entry}: category_id: found {category}, the data set has no such category.");
            if (masks.Count != video.Length)
                throw new EvaluationException(
                    $"{entry}: segmentations: found {masks.Count} masks, the video has {video.Length} frames.");
            for (var f = 0; f < masks.Count; f++)
                if (masks[f] is { } mask && (mask.Width != video.Width || mask.Height != video.Height))
                    throw new EvaluationException(
                        $"{entry}: segmentations[{f}]: found a mask of {mask.Width}x{mask.Height}, the video is "
                        + $"{video.Width}x{video.Height}.");
        }
    }
}
