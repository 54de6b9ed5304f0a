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
    private readonly VideoQueries? _video;

    /// <param name="graphs">The caller's; without VITA's own, frames are never revised.</param>
    public VitaMethod(ModelGraphs graphs, TensorPool pool, ClipLengths clip)
    {
        var manifest = graphs.Manifest;
        _front = new QueryTracker(graphs[manifest.Method.SlotGraph!], manifest, manifest.Matching, pool);
        if (graphs.Find(MethodContract.Vita) is not { } vita) return;
        (_video, Clip) = (new VideoQueries(vita, manifest, pool), clip);
    }

    public ClipLengths? Clip { get; }

    public QueryFrame Observe(SegmentedFrame frame)
    {
        var answer = _front.Step(frame.FrameEmbeds);
        return _video is null ? answer : new VitaFrame(answer, frame.TakeFrameEmbeds());
    }

    public ClipRevision Revise(IReadOnlyList<QueryFrame> window)
        => (_video ?? throw new InvalidOperationException("The graph of VITA is not loaded.")).Revise(window);

    public void Reset() => _front.Reset();

    public void Dispose() => _front.Dispose();
}

/// <summary>Frame for VITA.</summary>
public sealed class VitaFrame : QueryFrame
{
    private readonly Tensor _frameEmbeds;

    /// <param name="answer">The front's; its tensors are owned.</param>
    /// <param name="frameEmbeds">Queries in the segmenter's own order, shape [1,Q,C]; owned.</param>
    public VitaFrame(QueryFrame answer, Tensor frameEmbeds)
        : base(answer.InstanceEmbeds, answer.Logits, answer.MaskEmbeds)
        => (Sources, _frameEmbeds) = (answer.Sources, frameEmbeds);

    internal Tensor FrameEmbeds => _frameEmbeds;

    public override void Dispose()
    {
        base.Dispose();
        _frameEmbeds.Dispose();
    }
}
