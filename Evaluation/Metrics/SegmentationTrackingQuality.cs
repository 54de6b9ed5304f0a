using System.Runtime.InteropServices;

namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>STQ, the geometric mean of association quality and mean IoU (Weber et al., STEP, 2021),
/// with the conventions of the VIPSeg evaluator.</summary>
/// <remarks>
/// Quirks kept: the first segment that a video's truth lists is instance 0, and a thing that is instance 0 is a crowd;
/// predicted pixels of no segment, where the truth has one, count as one more class with an IoU of 0.
/// </remarks>
internal sealed class SegmentationTrackingQuality
{
    /// <summary>The class of pixels without a segment.</summary>
    private const int Void = -1;

    private readonly HashSet<int> _things;
    private readonly List<(string Video, int Frames, double Aq, int Tubes, double IoU)> _done = [];
    private readonly Dictionary<(int Truth, int Prediction), long> _confusion = [];

    // Instances of the video at hand: its segments' ids in the order in which they come up.
    private readonly Dictionary<int, int> _truth = [], _prediction = [];
    private VideoTally? _video;

    public SegmentationTrackingQuality(IEnumerable<Category> categories) =>
        _things = [.. categories.Where(c => c.IsThing).Select(c => c.Id)];

    public void BeginVideo(string name)
    {
        EndVideo();
        _truth.Clear();
        _prediction.Clear();
        _video = new VideoTally(name);
    }

    public void Add(FrameOverlap frame, PanopticFrame truth, PanopticFrame prediction)
    {
        var (wanted, said) = (Label(truth.Segments, _truth), Label(prediction.Segments, _prediction));
        var video = _video!;
        video.Frames++;
        foreach (var ((t, p), count) in frame.Pixels)
        {
            (int Class, int Instance) none = (Void, 0);
            var (g, d) = (wanted.GetValueOrDefault(t, none), said.GetValueOrDefault(p, none));
            if (g.Class != Void) Count(video.Confusion, (g.Class, d.Class), count);
            var thing = _things.Contains(g.Class);
            if (thing && g.Instance == 0) continue; // a crowd
            var found = _things.Contains(d.Class);
            if (thing) Count(video.Truth, g, count);
            if (found) Count(video.Prediction, d, count);
            if (thing && found) Count(video.Both, (g, d), count);
        }
    }

    public StqReport Report()
    {
        EndVideo();
        var tubes = _done.Sum(v => v.Tubes);
        var (aq, iou) = (tubes == 0 ? 0 : _done.Sum(v => v.Aq) / tubes, MeanIoU(_confusion));
        return new StqReport(Math.Sqrt(aq * iou), aq, iou, [.. _done.Select(v =>
        {
            var own = v.Tubes == 0 ? 0 : v.Aq / v.Tubes;
            return new VideoStq(v.Video, v.Frames, Math.Sqrt(own * v.IoU), own, v.IoU);
        })]);
    }

    private void EndVideo()
    {
        if (_video is { Frames: > 0 } video)
        {
            _done.Add((video.Name, video.Frames, Association(video), video.Truth.Count, MeanIoU(video.Confusion)));
            foreach (var (pair, count) in video.Confusion) Count(_confusion, pair, count);
        }

        _video = null;
    }

    /// <summary>Class and instance by segment id; a segment that is listed twice is what the last entry says.</summary>
    private static Dictionary<int, (int Class, int Instance)> Label(IReadOnlyList<PanopticSegment> segments,
        Dictionary<int, int> instances)
    {
        var labels = new Dictionary<int, (int, int)>();
        foreach (var segment in segments)
        {
            instances.TryAdd(segment.Id, instances.Count);
            labels[segment.Id] = (segment.CategoryId, instances[segment.Id]);
        }

        return labels;
    }

    /// <summary>Sum over true tubes of the share-weighted IoU with the predicted ones (STEP, eq. 2),
    /// not yet divided by their number.</summary>
    private static double Association(VideoTally video)
    {
        var sum = 0.0;
        foreach (var ((truth, prediction), both) in video.Both)
        {
            var size = video.Truth[truth];
            sum += 1.0 / size * (both * (both / (double)(video.Prediction[prediction] + size - both)));
        }

        return sum;
    }

    private static double MeanIoU(Dictionary<(int Truth, int Prediction), long> confusion)
    {
        var truth = confusion.GroupBy(c => c.Key.Truth).ToDictionary(g => g.Key, g => g.Sum(c => c.Value));
        var prediction = confusion.GroupBy(c => c.Key.Prediction).ToDictionary(g => g.Key, g => g.Sum(c => c.Value));
        return truth.Keys.Union(prediction.Keys).Select(c =>
        {
            var both = confusion.GetValueOrDefault((c, c));
            return both / (double)(truth.GetValueOrDefault(c) + prediction.GetValueOrDefault(c) - both);
        }).DefaultIfEmpty(double.NaN).Average();
    }

    private static void Count<T>(Dictionary<T, long> counts, T key, long count) where T : notnull
        => CollectionsMarshal.GetValueRefOrAddDefault(counts, key, out _) += count;

    private sealed class VideoTally(string name)
    {
        public string Name => name;

        public int Frames { get; set; }

        public Dictionary<(int Truth, int Prediction), long> Confusion { get; } = [];

        public Dictionary<(int Class, int Instance), long> Truth { get; } = [];

        public Dictionary<(int Class, int Instance), long> Prediction { get; } = [];

        public Dictionary<((int Class, int Instance) Truth, (int Class, int Instance) Prediction), long> Both
        { get; } = [];
    }
}
