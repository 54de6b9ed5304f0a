using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.GenVis;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// GenVIS from clip to clip, as its official evaluation: no slot is restarted, the last clip may be shorter, a frame's
/// masks are those of its clip, and a class probability is the maximum over the clips. Its scores still lack the factor
/// of mask quality.
/// </summary>
internal sealed class GenVisRun(ModelGraphs models, TensorPool tensors, int clip)
    : ModeRun(models.Manifest, models.Manifest.Queries)
{
    private readonly ModelManifest _manifest = models.Manifest;
    private readonly PrototypeTracker _tracker = new(models, tensors);
    private readonly List<float[]> _embeds = []; // of the current clip, [F,C] each
    private readonly float[] _best = new float[models.Manifest.Queries * (models.Manifest.ClassCount + 1)];
    private readonly float[] _clip = new float[models.Manifest.Queries * (models.Manifest.ClassCount + 1)];

    public override void Complete(CancellationToken stop)
    {
        if (_embeds.Count > 0) Commit();
    }

    public override float[] Probabilities() => _best;

    public override void Dispose()
    {
        _tracker.Dispose();
        base.Dispose();
    }

    protected override void Take(int index, SegmentedFrame frame, QueryFrame? step)
    {
        _embeds.Add(frame.FrameEmbeds.Span.ToArray());
        if (_embeds.Count == clip) Commit();
    }

    private void Commit()
    {
        using var frames = tensors.Rent(1, _embeds.Count, _manifest.FrameQueries, _manifest.HiddenSize);
        foreach (var (i, embeds) in _embeds.Index()) embeds.CopyTo(frames.Span[(i * embeds.Length)..]);
        using var answer = _tracker.Run(frames);
        _tracker.Commit();
        for (var t = Frames - _embeds.Count; t < Frames; t++) WriteMaskEmbeds(t, answer.MaskEmbeds.Span);
        _embeds.Clear();
        ClassProbabilities.Write(answer.Logits.Span, tracker: [], _manifest.ClassCount + 1, _clip);
        TensorPrimitives.Max(_best, _clip, _best);
    }
}
