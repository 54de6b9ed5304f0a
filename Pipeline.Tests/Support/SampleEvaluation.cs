using System.Text.Json;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>
/// Measures what was published of a video against ground truth in the style of YouTube-VIS (one uncompressed mask, or
/// null, a frame and object). In every frame tracks and objects are paired one to one, the best overlap first; an
/// object without a partner counts 0.
/// </summary>
internal sealed class SampleEvaluation
{
    private const double Hit = 0.5;
    private readonly List<TruthObject> _objects = [];
    private readonly Dictionary<(int Object, int Frame), Match> _matches = [];

    private SampleEvaluation(string truth, IReadOnlyList<IReadOnlyList<Claim>> frames)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(truth));
        var root = json.RootElement;
        Length = root.GetProperty("videos")[0].GetProperty("length").GetInt32();
        foreach (var annotation in root.GetProperty("annotations").EnumerateArray()) _objects.Add(Read(annotation));
        for (var t = 0; t < Math.Min(Length, frames.Count); t++) Pair(t, frames[t]);
    }

    /// <summary>Frames of the video.</summary>
    public int Length { get; }

    /// <summary>Share of the clearly visible objects that a track covers with an IoU of at least 0.5.</summary>
    public double Recall => Seen(_ => true).Average(s => s.IoU >= Hit ? 1 : 0);

    /// <summary>Mean IoU over the clearly visible objects.</summary>
    public double MeanIoU => Seen(_ => true).Average(s => s.IoU);

    /// <summary>Share of the hits that also have the right class.</summary>
    public double ClassAccuracy =>
        Seen(_ => true).Where(s => s.IoU >= Hit).Select(s => s.RightClass ? 1.0 : 0).DefaultIfEmpty().Average();

    /// <summary>Every time an object is out of sight for a while and comes back:
    /// the track it belonged to before and the one after.</summary>
    public IEnumerable<Occlusion> Occlusions(int shortest, int longest)
    {
        foreach (var (number, truth) in _objects.Index())
        {
            for (var from = 1; from < Length; from++)
            {
                if (truth.Areas[from] > 0 || truth.Areas[from - 1] == 0) continue;
                var to = from;
                while (to < Length && truth.Areas[to] == 0) to++;
                if (to == Length || to - from < shortest || to - from > longest) continue;
                yield return new Occlusion(truth.Name, from, to - 1, Usual(number, from - 40, from - 1),
                    Usual(number, to, to + 39));
            }
        }
    }

    public static SampleEvaluation OfProvisional(string truth, IEnumerable<ProvisionalResult> results)
        => new(truth,
            [.. results.Select(r =>
                (IReadOnlyList<Claim>)[.. r.Tracks.Select(t => new Claim(t.Number, t.ClassId, t.Mask!))])]);

    public static SampleEvaluation OfFinal(string truth, IEnumerable<FinalResult> results)
        => new(truth, [.. results.SelectMany(r => r.Frames.Select(f => (IReadOnlyList<Claim>)[.. r.Tracks
            .SelectMany(t => t.Frames.Where(o => o.FrameId == f.FrameId && o.Visible).Select(o =>
                new Claim(t.Number, t.ClassId, o.Mask!)))]))]);

    /// <summary>The truth itself, as a tracker that never errs would publish it;
    /// <paramref name="number"/> says which track an object is in a frame.</summary>
    public static IEnumerable<ProvisionalResult> Perfect(string truth, Func<int, int, long> number)
    {
        var read = new SampleEvaluation(truth, []);
        for (var t = 0; t < read.Length; t++)
        {
            yield return new ProvisionalResult(
                Some.FrameInfo(1, 1, t), "E",
                [.. read._objects.Index().Where(o => o.Item.Runs[t] is not null).Select(o => new TrackObservation(
                    number(o.Index, t), o.Item.ClassId, 1, TrackState.Active, 1, default, 0, 0, 0, false,
                        new RunLengthMask(512, 320, o.Item.Runs[t]!), null))],
                -1, 0, new StageLatency());
        }
    }

    public string Report(string name)
    {
        var lines = _objects.Select((o, i) =>
            $"  {o.Name}: recall {Seen(n => n == i).Average(s => s.IoU >= Hit ? 1.0 : 0):F3}, mean IoU "
            + $"{Seen(n => n == i).Average(s => s.IoU):F3}");
        return $"{name}: recall {Recall:F3}, mean IoU {MeanIoU:F3}, right class "
            + $"{ClassAccuracy:F3}\n{string.Join('\n', lines)}";
    }

    /// <summary>Clearly visible: at least a quarter of the object's largest area.</summary>
    private IEnumerable<Match> Seen(Func<int, bool> which)
    {
        for (var i = 0; i < _objects.Count; i++)
        {
            if (!which(i)) continue;
            for (var t = 0; t < Length; t++)
                if (_objects[i].Areas[t] * 4L >= _objects[i].Areas.Max())
                    yield return _matches.GetValueOrDefault((i, t));
        }
    }

    /// <summary>The track that hit the object most often in these frames; null when none did.</summary>
    private long? Usual(int number, int from, int to)
        => Enumerable.Range(from, to - from + 1)
            .Select(t => _matches.GetValueOrDefault((number, t))).Where(m => m.IoU >= Hit)
            .GroupBy(m => m.Track).OrderByDescending(g => g.Count()).Select(g => (long?)g.Key).FirstOrDefault();

    private void Pair(int t, IReadOnlyList<Claim> claims)
    {
        var pairs = new List<(int Object, int Claim, double IoU)>();
        for (var i = 0; i < _objects.Count; i++)
        {
            if (_objects[i].Runs[t] is not { } runs) continue;
            for (var c = 0; c < claims.Count; c++)
                if (RunLengths.IoU(RunLengths.FromCounts(claims[c].Mask.Width, claims[c].Mask.Height, runs),
                    claims[c].Mask) is > 0 and var iou) pairs.Add((i, c, iou));
        }

        var (objects, taken) = (new HashSet<int>(), new HashSet<int>());
        foreach (var (i, c, iou) in pairs.OrderByDescending(p => p.IoU))
            if (!objects.Contains(i) && !taken.Contains(c) && objects.Add(i) && taken.Add(c))
                _matches[(i, t)] = new Match(iou, claims[c].Track, claims[c].ClassId == _objects[i].ClassId);
    }

    private TruthObject Read(JsonElement annotation)
    {
        int[]?[] runs =
            [.. annotation.GetProperty("segmentations").EnumerateArray().Select(s => s.ValueKind == JsonValueKind.Null
            ? null
            : s.GetProperty("counts").EnumerateArray().Select(c => c.GetInt32()).ToArray())];
        Assert.Equal(Length, runs.Length);
        int[] areas = [.. runs.Select(r => r is null ? 0 : r.Where((_, i) => i % 2 == 1).Sum())];
        var category = annotation.GetProperty("category_id").GetInt32();
        return new TruthObject($"object {annotation.GetProperty("id").GetInt32()} (class {category})", category, runs,
            areas);
    }

    /// <param name="Before">Track number, or null when it was not found.</param>
    internal sealed record Occlusion(string Name, int From, int To, long? Before, long? After)
    {
        public bool Holds => Before is not null && Before == After;
    }

    private sealed record Claim(long Track, int ClassId, RunLengthMask Mask);

    private sealed record TruthObject(string Name, int ClassId, int[]?[] Runs, int[] Areas);

    private readonly record struct Match(double IoU, long Track, bool RightClass);
}
