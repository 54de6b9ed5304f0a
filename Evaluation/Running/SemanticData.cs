using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>A folder of semantic maps as VSPW stores them; the pictures lie in VIDEO/ or VIDEO/origin/, named as the
/// maps are. Labels are the model's classes, counted from a first one.</summary>
public sealed class SemanticData : EvaluationData
{
    private readonly SemanticFolder _truth;
    private readonly int _classes, _firstLabel;

    public SemanticData(string path, string images, ModelManifest manifest, int firstLabel)
    {
        if (manifest.ClassCount > 255)
            throw new EvaluationException(
                $"{manifest.Name}: the model has {manifest.ClassCount} classes, maps of a byte a pixel take 255.");
        (_truth, _classes, _firstLabel) = (new SemanticFolder(path), manifest.ClassCount, firstLabel);
        Videos = [.. _truth.Videos.Select(v =>
            new VideoPictures($"video {v}", [.. _truth.Frames(v).Select(f => Picture(Folder(images, v), f))]))];
    }

    public override IReadOnlyList<VideoPictures> Videos { get; }

    public override bool CanScore => true;

    public override ModeScorer CreateScorer(string? folder, bool scores) =>
        new SemanticScorer(_truth, _classes, _firstLabel, folder, scores);

    public override void Dispose()
    {
    }

    private static string Folder(string images, string video)
    {
        var origin = Path.Combine(images, video, "origin");
        return Directory.Exists(origin) ? origin : Path.Combine(images, video);
    }
}

/// <summary>Scores and writes semantic maps.</summary>
public sealed class SemanticScorer : ModeScorer
{
    private readonly SemanticFolder _truth;
    private readonly SemanticWriter? _writer;
    private readonly SemanticQuality? _quality;

    internal SemanticScorer(SemanticFolder truth, int classes, int firstLabel, string? folder, bool scores)
    {
        _truth = truth;
        _writer = folder is null ? null : new SemanticWriter(folder);
        _quality = scores ? new SemanticQuality(classes, firstLabel) : null;
    }

    /// <summary>Null when nothing is scored.</summary>
    public SemanticReport? Report() => _quality?.Report();

    public override void Add(int video, VideoResult result)
    {
        var (semantic, name) = ((SemanticResult)result, _truth.Videos[video]);
        _quality?.BeginVideo();
        var labels = new int[result.Width * result.Height];
        foreach (var (t, frame) in _truth.Frames(name).Index())
        {
            semantic.Frames[t].CopyTo(labels);
            var classes = Array.ConvertAll(labels, label => (byte)label);
            _writer?.Add(name, frame, result.Width, result.Height, classes);
            _quality?.Add(_truth.Map(name, frame), new PngImage(result.Width, result.Height, 1, classes),
                $"{name}/{frame}");
        }
    }

    public override void Dispose()
    {
    }
}
