using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Methods.Vita;

/// <summary>
/// VITA behind a tracker of slots (MinVIS or DVIS): the tracker answers each frame; over each window VITA answers with
/// one class and one mask embedding per object, which its slot takes.
/// </summary>
public sealed class VitaMethod : IVideoMethod
{
    private readonly QueryTracker _front;
    private readonly VideoQueries _video;

    /// <param name="graphs">The caller's.</param>
    public VitaMethod(ModelGraphs graphs, TensorPool pool, ClipLengths clip)
    {
        var manifest = graphs.Manifest;
        var front = graphs.Find(MethodContract.Tracker) ?? graphs[MethodContract.Matcher];
        _front = new QueryTracker(front, manifest, manifest.Matching, pool);
        _video = new VideoQueries(graphs[MethodContract.Vita], manifest, pool);
        Clip = clip;
    }

    public ClipLengths? Clip { get; }

    public QueryFrame Observe(SegmentedFrame frame)
    {
        var answer = _front.Step(frame.FrameEmbeds);
        return new VitaFrame(answer, frame.TakeFrameEmbeds(), [.. _front.Sources]);
    }

    public ClipRevision Revise(IReadOnlyList<QueryFrame> window) => _video.Revise(window);

    public void Reset() => _front.Reset();

    public void Dispose() => _front.Dispose();
}

/// <summary>Frame for VITA.</summary>
/// <param name="answer">The front's; its tensors are owned.</param>
/// <param name="frameEmbeds">Queries in the segmenter's own order, shape [1,Q,C]; owned.</param>
/// <param name="sources">Shape [Q]: the segmenter's query in each slot.</param>
public sealed class VitaFrame(QueryFrame answer, Tensor frameEmbeds, int[] sources)
    : QueryFrame(answer.InstanceEmbeds, answer.Logits, answer.MaskEmbeds)
{
    internal Tensor FrameEmbeds => frameEmbeds;

    internal ReadOnlySpan<int> Sources => sources;

    public override void Dispose()
    {
        base.Dispose();
        frameEmbeds.Dispose();
    }
}
