using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// VITA over the whole video at once, as its official evaluation: a row is a video query, which has one class and one
/// mask embedding. Memory grows with the video, by its frame queries. Its scores still lack the factor of mask quality.
/// </summary>
internal sealed class VitaRun(ModelGraphs models, TensorPool tensors)
    : ModeRun(models.Manifest, models.Manifest.VideoQueries)
{
    private readonly ModelManifest _manifest = models.Manifest;
    private readonly List<float[]> _embeds = []; // [F,C] each
    private readonly float[] _probabilities =
        new float[models.Manifest.VideoQueries * (models.Manifest.ClassCount + 1)];

    public override void Complete(CancellationToken stop)
    {
        var (queries, channels) = (_manifest.VideoQueries, _manifest.HiddenSize);
        using var frames = tensors.Rent(Frames, _manifest.FrameQueries, channels);
        using var logits = tensors.Rent(queries, _manifest.ClassCount + 1);
        using var masks = tensors.Rent(queries, _manifest.MaskChannels);
        using var frameSimilarity = tensors.Rent(Frames, _manifest.FrameQueries, channels);
        using var querySimilarity = tensors.Rent(queries, channels);
        foreach (var (t, embeds) in _embeds.Index()) embeds.CopyTo(frames.Span[(t * embeds.Length)..]);
        models[MethodContract.Vita].Run([frames], [logits, masks, frameSimilarity, querySimilarity]);
        ClassProbabilities.Write(logits.Span, tracker: [], _manifest.ClassCount + 1, _probabilities);
        for (var t = 0; t < Frames; t++) WriteMaskEmbeds(t, masks.Span);
    }

    public override float[] Probabilities() => _probabilities;

    protected override void Take(int index, SegmentedFrame frame, QueryFrame? step)
        => _embeds.Add(frame.FrameEmbeds.Span.ToArray());
}
