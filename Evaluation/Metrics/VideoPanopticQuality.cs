using System.Runtime.InteropServices;

namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>
/// VPQ of one window length: panoptic quality of the tubes that segments form over <paramref name="window"/> successive
/// frames (Kim et al., Video Panoptic Segmentation, 2020), with the rules of the VIPSeg evaluator. A video shorter than
/// the window has no tubes.
/// </summary>
internal sealed class VideoPanopticQuality(int window)
{
    private readonly Queue<FrameOverlap> _frames = new();
    private readonly Dictionary<int, (double IoU, int Hits, int False, int Missed)> _tallies = [];

    public int Window => window;

    public void BeginVideo() => _frames.Clear();

    public void Add(FrameOverlap frame)
    {
        if (_frames.Count == window) _frames.Dequeue();
        _frames.Enqueue(frame);
        if (_frames.Count == window) Match();
    }

    /// <summary>Means over the categories that occur; NaN when none does.</summary>
    /// <param name="things">True for things, false for stuff, null for all.</param>
    public PanopticScore Score(IEnumerable<Category> categories, bool? things)
    {
        var (pq, sq, rq, count) = (0.0, 0.0, 0.0, 0);
        foreach (var category in categories)
        {
            if (things is { } wanted && category.IsThing != wanted) continue;
            if (Score(category) is not { } score) continue;
            (pq, sq, rq, count) = (pq + score.Pq, sq + score.Sq, rq + score.Rq, count + 1);
        }

        return new PanopticScore(pq / count, sq / count, rq / count, count);
    }

    /// <summary>Null when the category does not occur.</summary>
    public PanopticScore? Score(Category category)
    {
        if (!_tallies.TryGetValue(category.Id, out var t)) return null;
        var all = t.Hits + 0.5 * t.False + 0.5 * t.Missed;
        return new PanopticScore(t.IoU / all, t.Hits == 0 ? 0 : t.IoU / t.Hits, t.Hits / all, 1);
    }

    private void Match()
    {
        var truth = Tubes(f => f.Truth);
        var prediction = Tubes(f => f.Prediction);
        var pixels = new Dictionary<(int Truth, int Prediction), long>();
        foreach (var frame in _frames)
            foreach (var (pair, count) in frame.Pixels)
                CollectionsMarshal.GetValueRefOrAddDefault(pixels, pair, out _) += count;

        HashSet<int> found = [], right = [];
        foreach (var ((t, p), both) in pixels)
        {
            if (!truth.TryGetValue(t, out var wanted) || !prediction.TryGetValue(p, out var said)) continue;
            if (wanted.IsCrowd || wanted.CategoryId != said.CategoryId) continue;
            // Pixels over no true segment are not counted.
            var iou = both / (double)(said.Area!.Value + wanted.Area!.Value - both - pixels.GetValueOrDefault((0, p)));
            if (iou is > 1 or < 0)
                throw new EvaluationException($"the true segment {t} covers more pixels than its stated area.");
            if (iou <= 0.5) continue;
            Tally(wanted.CategoryId, iou, hits: 1);
            found.Add(t);
            right.Add(p);
        }

        var crowds = new Dictionary<int, int>();
        foreach (var wanted in truth.Values)
        {
            if (found.Contains(wanted.Id)) continue;
            if (wanted.IsCrowd) crowds[wanted.CategoryId] = wanted.Id;
            else Tally(wanted.CategoryId, missed: 1);
        }

        foreach (var said in prediction.Values)
        {
            if (right.Contains(said.Id)) continue;
            var excused = pixels.GetValueOrDefault((0, said.Id));
            if (crowds.TryGetValue(said.CategoryId, out var crowd))
                excused += pixels.GetValueOrDefault((crowd, said.Id));
            if (excused / (double)said.Area!.Value <= 0.5) Tally(said.CategoryId, wrong: 1);
        }
    }

    /// <summary>By id, in the order in which they come up: the first frame says what a tube is, areas add up.</summary>
    private OrderedDictionary<int, PanopticSegment> Tubes(Func<FrameOverlap, IReadOnlyList<PanopticSegment>> segments)
    {
        var tubes = new OrderedDictionary<int, PanopticSegment>();
        foreach (var segment in _frames.SelectMany(segments))
            if (!tubes.TryAdd(segment.Id, segment))
                tubes[segment.Id] = tubes[segment.Id] with { Area = tubes[segment.Id].Area + segment.Area };
        return tubes;
    }

    private void Tally(int category, double iou = 0, int hits = 0, int wrong = 0, int missed = 0)
    {
        ref var tally = ref CollectionsMarshal.GetValueRefOrAddDefault(_tallies, category, out _);
        tally = (tally.IoU + iou, tally.Hits + hits, tally.False + wrong, tally.Missed + missed);
    }
}
