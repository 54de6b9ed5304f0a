namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>VPQ and STQ as the VIPSeg evaluators compute them. Frames are added one by one, video by video;
/// the tables of the last eight stay.</summary>
public sealed class PanopticQuality
{
    private static readonly int[] s_windows = [1, 2, 4, 6, 8];

    private readonly Dictionary<int, Category> _categories;
    private readonly VideoPanopticQuality[] _vpq = Array.ConvertAll(s_windows, w => new VideoPanopticQuality(w));
    private readonly SegmentationTrackingQuality _stq;
    private string _video = "";
    private int _frame;

    public PanopticQuality(IEnumerable<Category> categories)
    {
        _categories = categories.ToDictionary(c => c.Id);
        _stq = new SegmentationTrackingQuality(_categories.Values);
    }

    /// <param name="name">For messages and the report.</param>
    public void BeginVideo(string name)
    {
        (_video, _frame) = (name, 0);
        foreach (var vpq in _vpq) vpq.BeginVideo();
        _stq.BeginVideo(name);
    }

    /// <summary>Scores the next frame of the video.</summary>
    /// <exception cref="EvaluationException">Sizes, ids or categories do not fit;
    /// names the video and the frame.</exception>
    public void Add(PanopticFrame truth, PanopticFrame prediction)
    {
        var at = $"{_video}, frame {_frame++}";
        var overlap = FrameOverlap.Of(truth, prediction, _categories, at);
        try
        {
            foreach (var vpq in _vpq) vpq.Add(overlap);
        }
        catch (EvaluationException e)
        {
            throw new EvaluationException($"{at}: {e.Message}", e);
        }

        _stq.Add(overlap, truth, prediction);
    }

    public PanopticReport Report()
    {
        VpqReport[] windows = [.. _vpq.Select(v =>
            new VpqReport(v.Window, v.Score(_categories.Values, null), v.Score(_categories.Values, true),
                v.Score(_categories.Values, false),
            [.. _categories.Values.Select(c => (c, v.Score(c))).Where(s => s.Item2 is not null).Select(s =>
                (s.c, s.Item2!.Value))]))];
        return new PanopticReport(windows.Average(w => w.All.Pq), windows.Average(w => w.Things.Pq),
            windows.Average(w => w.Stuff.Pq), windows, _stq.Report());
    }
}
