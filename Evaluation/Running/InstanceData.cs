using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>A data set in YouTube-VIS or OVIS form; its file names the pictures.</summary>
public sealed class InstanceData : EvaluationData
{
    private readonly YtvisTruth _truth;

    private readonly bool _classAgnostic;

    /// <param name="classAgnostic">True: all are scored as of one class, so the model may have any classes.</param>
    public InstanceData(string path, string images, ModelManifest manifest, bool classAgnostic = false)
    {
        (_truth, _classAgnostic) = (YtvisTruth.Open(path), classAgnostic);
        Map = ReadOrClose(_truth, () => classAgnostic
            ? [.. manifest.Classes.Select(_ => (int?)_truth.Categories[0].Id)]
            : ClassMap.Create(manifest.Classes, _truth.Categories, path));
        Videos = ReadOrClose(_truth, () => Pictures(_truth, path, images));
    }

    public override IReadOnlyList<VideoPictures> Videos { get; }

    public override bool CanScore => _truth.HasAnnotations;

    /// <summary>Category by class; null: the data set lacks it.</summary>
    internal int?[] Map { get; }

    public override ModeScorer CreateScorer(string? folder, bool scores) =>
        new InstanceScorer(_truth, Map, folder, scores, _classAgnostic);

    public override void Dispose() => _truth.Dispose();

    private static VideoPictures[] Pictures(YtvisTruth truth, string path, string images)
    {
        if (truth.Videos.FirstOrDefault(v => v.FileNames.Count == 0) is { } unnamed)
            throw new EvaluationException($"{path}: video {unnamed.Id} names no pictures (file_names).");
        return [.. truth.Videos.Select(v =>
            new VideoPictures($"video {v.Id}", [.. v.FileNames.Select(name => Path.Combine(images, name))]))];
    }
}

/// <summary>Scores and writes instances.
/// Where the data set groups its objects by occlusion (OVIS), each group is scored too.</summary>
public sealed class InstanceScorer : ModeScorer
{
    private readonly YtvisTruth _truth;
    private readonly int?[] _map;
    private readonly YtvisResultsWriter? _writer;
    private readonly VideoPrecision? _all;
    private readonly IdentityFigures _identity = new();
    private readonly Dictionary<string, VideoPrecision> _groups = [];

    internal InstanceScorer(YtvisTruth truth, int?[] map, string? folder, bool scores, bool classAgnostic = false)
    {
        (_truth, _map) = (truth, map);
        _writer = folder is null ? null : new YtvisResultsWriter(Path.Combine(folder, "results.json"));
        if (!scores) return;
        _all = new VideoPrecision(truth.Categories, classAgnostic);
        foreach (var name in truth.OcclusionGroups)
            _groups[name] = new VideoPrecision(truth.Categories, classAgnostic);
    }

    /// <summary>Null when nothing is scored.</summary>
    public PrecisionReport? Report() => _all?.Report();

    public IdentityReport Identity() => _identity.Report();

    /// <summary>By group: objects of other groups are neither asked for nor wrong to find;
    /// what finds no object counts against each group.</summary>
    public IEnumerable<KeyValuePair<string, PrecisionReport>> Groups() =>
        _groups.Select(g => KeyValuePair.Create(g.Key, g.Value.Report()));

    public override void Add(int video, VideoResult result)
    {
        var info = _truth.Videos[video];
        var found = new List<PredictedInstance>();
        foreach (var tube in ((InstanceResult)result).Tubes)
            if (_map[tube.ClassId] is { } category) found.Add(new PredictedInstance(category, tube.Score, tube.Masks));
        foreach (var instance in found) _writer?.Add(info.Id, instance);
        if (_all is null) return;
        var objects = _truth.Objects(info);
        _all.Add(info, objects, found);
        _identity.Add(objects, found);
        foreach (var (name, group) in _groups)
            group.Add(info, [.. objects.Select(o => o with { IsIgnored = o.Occlusion != name })], found);
    }

    public override void Dispose() => _writer?.Dispose();
}
