using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>DVIS's offline mode: the refiner over the whole video at once. What it works on lies on disk,
/// so the video may have any length.</summary>
internal sealed class OfflineRun(ModelGraphs models, TensorPool tensors)
    : ModeRun(models.Manifest, models.Manifest.Queries)
{
    private readonly VideoRefiner _refiner =
        new(new RefinerSteps(models), models.Manifest, tensors, RefinerBlocks.Default);
    private float[] _refined = [];

    public override void Complete(CancellationToken stop) => _refined = _refiner.Refine(Frames, WriteMaskEmbeds, stop);

    public override void Dispose()
    {
        _refiner.Dispose();
        base.Dispose();
    }

    protected override void Take(int index, SegmentedFrame frame, QueryFrame? step)
    {
        AddLogits(step!.Logits.Span);
        using var memory = tensors.Rent(frame.FrameEmbeds.Shape);
        models[MethodContract.FrameForward].Run([frame.FrameEmbeds], [memory]);
        _refiner.Add(index, step.InstanceEmbeds.Span, memory.Span);
    }

    protected override ReadOnlySpan<float> Refined() => _refined;
}
