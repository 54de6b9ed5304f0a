using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Methods.Dvis;

/// <summary>DVIS: the referring tracker on each frame; the temporal refiner, where it is loaded, over clips.</summary>
public sealed class DvisMethod : IVideoMethod
{
    private readonly QueryTracker _tracker;
    private readonly TemporalRefiner? _refiner;

    /// <param name="graphs">The caller's; without the refiner, frames are never revised.</param>
    public DvisMethod(ModelGraphs graphs, TensorPool pool, ClipLengths clip)
    {
        var manifest = graphs.Manifest;
        _tracker = new QueryTracker(graphs[MethodContract.Tracker], manifest, manifest.Matching, pool);
        if (graphs.Find(MethodContract.Refiner) is null) return;
        (_refiner, Clip) = (new TemporalRefiner(graphs, pool), clip);
    }

    public ClipLengths? Clip { get; }

    public QueryFrame Observe(SegmentedFrame frame)
    {
        var answer = _tracker.Step(frame.FrameEmbeds);
        return _refiner is null ? answer : new DvisFrame(answer, frame.TakeFrameEmbeds());
    }

    public ClipRevision Revise(IReadOnlyList<QueryFrame> window)
        => (_refiner ?? throw new InvalidOperationException("The refiner is not loaded.")).Refine(window);

    public void Reset() => _tracker.Reset();

    public void Dispose() => _tracker.Dispose();
}
