namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>What is kept of one category's detections, for each range of areas.</summary>
internal sealed class CategoryTally
{
    private const int Recalls = 101;

    // Between 1 and the next larger double: what keeps 0 / 0 at 0.
    private const double Spacing = 2.220446049250313e-16;

    private readonly List<Detection>[] _detections = [.. VideoPrecision.Areas.Select(_ => new List<Detection>())];
    private readonly int[] _objects = new int[VideoPrecision.Areas.Length];
    private readonly Dictionary<long, int> _objectsOf = []; // of all areas, by video

    private Detection[]? _all; // sorted once, when everything was added

    public CategoryTally(Category category) => Category = category;

    public Category Category { get; }

    /// <summary>Objects that count in this range of areas; without any, precision and recall are undefined.</summary>
    public int Objects(int area) => _objects[area];

    /// <param name="found">The best first, 100 at most.</param>
    public void Add(long video, TruthInstance[] truth, PredictedInstance[] found)
    {
        var ious = Overlaps(truth, found);
        double[] areas = [.. found.Select(p => TruthInstance.MeanOf(p.Masks))];
        for (var range = 0; range < VideoPrecision.Areas.Length; range++)
        {
            var (from, to) = VideoPrecision.Areas[range];
            bool[] ignored = [.. truth.Select(t => t.IsCrowd || t.IsIgnored || t.MeanArea < from || t.MeanArea > to)];
            _objects[range] += ignored.Count(i => !i);
            if (range == 0) _objectsOf[video] = ignored.Count(i => !i);
            // Those that count come first, each part in the file's order.
            int[] order = [.. Enumerable.Range(0, truth.Length).Where(g => !ignored[g]),
                .. Enumerable.Range(0, truth.Length).Where(g => ignored[g])];
            var (matched, excused) = (new ushort[found.Length], new ushort[found.Length]);
            for (var threshold = 0; threshold < VideoPrecision.Thresholds.Count; threshold++)
                Match(threshold, ious, truth, ignored, order, matched, excused);
            for (var d = 0; d < found.Length; d++)
            {
                // A detection outside the range that found nothing is no error.
                if (areas[d] < from || areas[d] > to) excused[d] |= (ushort)~matched[d];
                _detections[range].Add(new Detection(video, (byte)d, found[d].Score, matched[d], excused[d]));
            }
        }
    }

    /// <summary>For each threshold the mean precision at the 101 recalls 0, 0.01 … 1, and the recall reached.</summary>
    /// <param name="limit">Detections a video that count.</param>
    public (double Precision, double Recall)[] Curves(int area, int limit)
        => Curves(Sorted(area, limit), _objects[area], often: null);

    /// <summary>
    /// Precision as of <see cref="Curves(int,int)"/> over all areas with 100 detections, where each video counts as
    /// often as is given; empty without an object.
    /// </summary>
    public double[] Precision(IReadOnlyDictionary<long, int> often)
    {
        var objects = _objectsOf.Sum(o => o.Value * often[o.Key]);
        return objects == 0
            ? []
            : Array.ConvertAll(Curves(_all ??= Sorted(0, VideoPrecision.MaxDetections[^1]), objects, often),
                curve => curve.Precision);
    }

    // The best first; equal scores in the order of the videos' numbers and, within one, of the file.
    private Detection[] Sorted(int area, int limit)
        => [.. _detections[area].Where(d => d.Rank < limit).OrderByDescending(d => d.Score)
            .ThenBy(d => d.Video).ThenBy(d => d.Rank)];

    private static (double Precision, double Recall)[] Curves(
        Detection[] sorted, int objects, IReadOnlyDictionary<long, int>? often)
        => [.. Enumerable.Range(0, VideoPrecision.Thresholds.Count).Select(t => Curve(sorted, t, objects, often))];

    private static (double Precision, double Recall) Curve(
        Detection[] sorted, int threshold, int objects, IReadOnlyDictionary<long, int>? often)
    {
        var (recall, precision) = (new double[sorted.Length], new double[sorted.Length]);
        var (hits, misses) = (0, 0);
        for (var i = 0; i < sorted.Length; i++)
        {
            if (!Has(sorted[i].Excused, threshold))
            {
                var count = often?[sorted[i].Video] ?? 1;
                if (Has(sorted[i].Matched, threshold)) hits += count;
                else misses += count;
            }

            recall[i] = hits / (double)objects;
            precision[i] = hits / (hits + misses + Spacing);
        }

        for (var i = precision.Length - 1; i > 0; i--) precision[i - 1] = Math.Max(precision[i - 1], precision[i]);
        var (sum, at) = (0.0, 0);
        for (var r = 0; r < Recalls; r++)
        {
            while (at < recall.Length && recall[at] < (r == Recalls - 1 ? 1 : r * 0.01)) at++;
            if (at == recall.Length) break;
            sum += precision[at];
        }

        return (sum / Recalls, recall.Length == 0 ? 0 : recall[^1]);
    }

    private static double[,] Overlaps(TruthInstance[] truth, PredictedInstance[] found)
    {
        var ious = new double[found.Length, truth.Length];
        if (ious.Length == 0) return ious;
        VideoOverlap[] wanted = [.. truth.Select(t => new VideoOverlap(t.Masks))];
        for (var d = 0; d < found.Length; d++)
        {
            var detection = new VideoOverlap(found[d].Masks);
            for (var g = 0; g < wanted.Length; g++) ious[d, g] = detection.IoU(wanted[g]);
        }

        return ious;
    }

    /// <summary>Greedy, the best detection first: each takes the object it overlaps most,
    /// one that counts before one that does not.</summary>
    private static void Match(int threshold, double[,] ious, TruthInstance[] truth, bool[] ignored, int[] order,
        ushort[] matched, ushort[] excused)
    {
        var taken = new bool[truth.Length];
        for (var d = 0; d < matched.Length; d++)
        {
            var (best, match) = (Math.Min(VideoPrecision.Thresholds[threshold], 1 - 1e-10), -1);
            foreach (var g in order)
            {
                if (taken[g] && !truth[g].IsCrowd) continue;
                if (match >= 0 && !ignored[match] && ignored[g]) break;
                if (ious[d, g] < best) continue;
                (best, match) = (ious[d, g], g);
            }

            if (match < 0) continue;
            taken[match] = true;
            matched[d] |= (ushort)(1 << threshold);
            if (ignored[match]) excused[d] |= (ushort)(1 << threshold);
        }
    }

    private static bool Has(ushort bits, int threshold) => (bits >> threshold & 1) != 0;

    /// <param name="Rank">Place within its video and category.</param>
    /// <param name="Matched">A bit a threshold.</param>
    /// <param name="Excused">Neither right nor wrong; a bit a threshold.</param>
    private readonly record struct Detection(long Video, byte Rank, double Score, ushort Matched, ushort Excused);
}
