using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Methods.MinVis;

/// <summary>MinVIS: each slot takes the query that is matched to it. It never revises.</summary>
/// <param name="graphs">The caller's.</param>
public sealed class MinVisMethod(ModelGraphs graphs, TensorPool pool) : IVideoMethod
{
    private readonly QueryTracker _slots = new(
        graphs[MethodContract.Matcher], graphs.Manifest, MatchingRule.Aligned, pool);

    public ClipLengths? Clip => null;

    public QueryFrame Observe(SegmentedFrame frame) => _slots.Step(frame.FrameEmbeds);

    public ClipRevision Revise(IReadOnlyList<QueryFrame> window)
        => throw new InvalidOperationException("MinVIS never revises.");

    public void Reset() => _slots.Reset();

    public void Dispose() => _slots.Dispose();
}
