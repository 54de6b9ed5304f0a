using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.Dvis;
using Dvis.Streaming.Pipeline.Methods.Vita;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Stages;
using Tensor = Dvis.Streaming.Pipeline.Memory.Tensor;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// The refiner of DVIS, or VITA behind its tracker, over clips, committed as the live pipeline commits them
/// (<see cref="RefineStage"/>); without clip lengths over the whole video in one run, which is DVIS's offline mode (for
/// models without <see cref="RefinerSteps"/> only: memory grows with the video). A frame's masks are those of the clip
/// that committed it. The refiner's class logits count for each frame that their clip committed, and are averaged over
/// the video, as DVIS averages whatever its refiner says frame by frame.
/// </summary>
internal sealed class ClipRun(ModelGraphs models, TensorPool tensors, ClipLengths? clip)
    : ModeRun(models.Manifest, models.Manifest.Queries)
{
    private readonly bool _vita = models.Manifest.Method.IsVita;
    private readonly ClipWindow<QueryFrame> _window = new(clip?.Window ?? int.MaxValue);
    private readonly Func<IReadOnlyList<QueryFrame>, ClipRevision> _revise = models.Manifest.Method.IsVita
        ? new VideoQueries(models[MethodContract.Vita], models.Manifest, tensors).Revise
        : new TemporalRefiner(models, tensors).Refine;
    private readonly float[] _refined = new float[models.Manifest.Queries * (models.Manifest.ClassCount + 1)];

    public override void Complete(CancellationToken stop)
    {
        if (_window.Pending > 0) Commit(_window.Pending);
        _window.Clear();
        TensorPrimitives.Divide(_refined, Frames, _refined);
    }

    public override void Dispose()
    {
        _window.Dispose();
        base.Dispose();
    }

    protected override bool StandsAlone => _vita;

    protected override void Take(int index, SegmentedFrame frame, QueryFrame? step)
    {
        AddLogits(step!.Logits.Span);
        // Nothing reads the mask embeddings of a frame that will be revised.
        var answer = new QueryFrame(Copy(step.InstanceEmbeds), Copy(step.Logits), tensors.Rent(1))
        {
            Sources = step.Sources,
        };
        var embeds = Copy(frame.FrameEmbeds);
        _window.Add(_vita ? new VitaFrame(answer, embeds) : new DvisFrame(answer, embeds));
        if (clip is not null && _window.Pending == clip.Stride + clip.Lookahead) Commit(clip.Stride);
    }

    protected override ReadOnlySpan<float> Refined() => _refined;

    private void Commit(int count)
    {
        var (queries, channels) = (models.Manifest.Queries, models.Manifest.MaskChannels);
        using var refined = _revise(_window.Frames);
        var first = _window.Frames.Count - _window.Pending;
        for (var t = first; t < first + count; t++)
        {
            WriteMaskEmbeds(Frames - _window.Frames.Count + t,
                refined.MaskEmbeds.Span.Slice(t * queries * channels, queries * channels));
            TensorPrimitives.Add(_refined, refined.Logits.Span, _refined);
        }

        _window.Commit(count);
    }

    private Tensor Copy(Tensor tensor)
    {
        var copy = tensors.Rent(tensor.Shape);
        tensor.Span.CopyTo(copy.Span);
        return copy;
    }
}
