using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>A data set as VIPSeg stores it; the pictures lie in a folder a video, named as the maps are.</summary>
public sealed class PanopticData : EvaluationData
{
    private readonly VipsegTruth _truth;
    private readonly int?[] _map;

    public PanopticData(string path, string images, ModelManifest manifest)
    {
        _truth = VipsegTruth.Open(path);
        _map = ReadOrClose(_truth, () => ClassMap.Create(manifest.Classes, _truth.Categories, path));
        Videos = [.. _truth.Videos.Select(v =>
            new VideoPictures($"video {v.Id}", [.. v.Pictures.Select(p => Picture(Path.Combine(images, v.Id), p))]))];
    }

    public override IReadOnlyList<VideoPictures> Videos { get; }

    public override bool CanScore => true;

    public override ModeScorer CreateScorer(string? folder, bool scores) =>
        new PanopticScorer(_truth, _map, folder, scores);

    public override void Dispose() => _truth.Dispose();
}

/// <summary>Scores and writes panoptic segments.</summary>
public sealed class PanopticScorer : ModeScorer
{
    private readonly VipsegTruth _truth;
    private readonly int?[] _map;
    private readonly VipsegWriter? _writer;
    private readonly PanopticQuality? _quality;

    internal PanopticScorer(VipsegTruth truth, int?[] map, string? folder, bool scores)
    {
        (_truth, _map) = (truth, map);
        _writer = folder is null ? null : new VipsegWriter(folder);
        _quality = scores ? new PanopticQuality(truth.Categories) : null;
    }

    /// <summary>Null when nothing is scored.</summary>
    public PanopticReport? Report() => _quality?.Report();

    public override void Add(int video, VideoResult result)
    {
        var (panoptic, info) = ((PanopticResult)result, _truth.Videos[video]);
        // A segment whose class the data set lacks is void in its maps.
        var (segments, idOf) = (new List<PanopticSegment>(), new ushort[panoptic.Segments.Count + 1]);
        foreach (var segment in panoptic.Segments)
        {
            if (_map[segment.ClassId] is not { } category) continue;
            segments.Add(new PanopticSegment(segment.Id, category));
            idOf[segment.Id] = (ushort)segment.Id;
        }

        _quality?.BeginVideo(info.Id);
        _writer?.BeginVideo(info.Id);
        var ids = new int[result.Width * result.Height];
        foreach (var (t, wanted) in _truth.Frames(info).Index())
        {
            var map = panoptic.Frames[t].Select(idOf);
            map.CopyTo(ids);
            var seen = map.Values;
            var frame =
                new PanopticFrame(result.Width, result.Height, ids, segments.FindAll(s => seen.Contains((ushort)s.Id)));
            _writer?.Add(info.Pictures[t], frame);
            _quality?.Add(wanted, frame);
        }
    }

    public override void Dispose() => _writer?.Dispose();
}
