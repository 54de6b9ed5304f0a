using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Methods.GenVis;

/// <summary>
/// GenVIS: video queries handed from clip to clip. Clips of one frame are its online mode and never revised. With
/// longer ones (semi-online) each frame is answered by a run on the clip's frames so far; the run on the whole clip is
/// the official answer for all of its frames, and the only one that changes the state.
/// </summary>
/// <param name="graphs">The caller's; their clip length counts.</param>
/// <param name="maxDelay">Age of a clip at which it ends before the next frame; null: only at its length.</param>
public sealed class GenVisMethod(ModelGraphs graphs, TensorPool pool, TimeProvider time, TimeSpan? maxDelay)
    : IVideoMethod
{
    private readonly PrototypeTracker _tracker = new(graphs, pool);
    private readonly int _size = graphs.Manifest.FrameQueries * graphs.Manifest.HiddenSize;
    private Tensor? _frames; // of the current clip, [1,n,F,C]; null: the next frame begins one
    private long _begun; // timestamp of its first answer

    public ClipLengths? Clip { get; } = graphs.Clip > 1 ? new ClipLengths(graphs.Clip, graphs.Clip, 0) : null;

    public MemoryUse? Memory => new(_tracker.Memory.Entries, _tracker.Memory.Merged);

    public QueryFrame Observe(SegmentedFrame frame)
    {
        if (_frames is not null && maxDelay is { } limit && time.GetElapsedTime(_begun) >= limit) EndClip();
        var place = Add(frame.FrameEmbeds);
        var answer = _tracker.Run(_frames!);
        if (place == 1) _begun = time.GetTimestamp();
        if (place == graphs.Clip) EndClip();
        if (Clip is null) return answer;
        var maskEmbeds = pool.Rent(answer.MaskEmbeds.Shape);
        answer.MaskEmbeds.Span.CopyTo(maskEmbeds.Span);
        return new GenVisFrame(answer, maskEmbeds) { ClipPlace = place };
    }

    /// <inheritdoc/>
    /// <param name="window">Frames of type <see cref="GenVisFrame"/>; the last has the answer of its clip.</param>
    public ClipRevision Revise(IReadOnlyList<QueryFrame> window)
    {
        var (last, manifest) = ((GenVisFrame)window[^1], graphs.Manifest);
        var revision = new ClipRevision(
            pool.Rent(manifest.Queries, manifest.ClassCount + 1),
            pool.Rent(window.Count, manifest.Queries, manifest.MaskChannels))
        { StandsAlone = true };
        last.Logits.Span.CopyTo(revision.Logits.Span);
        var size = last.ClipMaskEmbeds.Length;
        for (var t = 0; t < window.Count; t++)
            last.ClipMaskEmbeds.Span.CopyTo(revision.MaskEmbeds.Span[(t * size)..]);
        return revision;
    }

    public void Release(int slot) => _tracker.Release(slot);

    public void Reset()
    {
        _frames?.Dispose();
        _frames = null;
        _tracker.Reset();
    }

    public void Dispose()
    {
        _frames?.Dispose();
        _tracker.Dispose();
    }

    /// <summary>Adds a frame's queries to the clip; returns the clip's length.</summary>
    private int Add(Tensor embeds)
    {
        var before = (_frames?.Length ?? 0) / _size;
        var frames = pool.Rent(1, before + 1, graphs.Manifest.FrameQueries, graphs.Manifest.HiddenSize);
        _frames?.Span.CopyTo(frames.Span);
        embeds.Span.CopyTo(frames.Span[(before * _size)..]);
        _frames?.Dispose();
        _frames = frames;
        return before + 1;
    }

    private void EndClip()
    {
        _tracker.Commit();
        _frames!.Dispose();
        _frames = null;
    }
}

/// <summary>Frame of a clip, with what a revision needs of the run that answered it.</summary>
/// <param name="answer">The run's; its tensors are owned.</param>
/// <param name="clipMaskEmbeds">Shape [1,Q,Cm]; owned.</param>
public sealed class GenVisFrame(QueryFrame answer, Tensor clipMaskEmbeds)
    : QueryFrame(answer.InstanceEmbeds, answer.Logits, answer.MaskEmbeds)
{
    internal Tensor ClipMaskEmbeds => clipMaskEmbeds;

    public override void Dispose()
    {
        base.Dispose();
        clipMaskEmbeds.Dispose();
    }
}
