using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// A network family on one camera's stream: frames in, query slots out; earlier frames may be revised. Not
/// thread-safe, but <see cref="Revise"/> may run while <see cref="Observe"/> and <see cref="Reset"/> do: what it needs
/// travels in the frames.
/// </summary>
/// <remarks>
/// 2026-11-30: Observe answers each frame at once, with one answer. All planned families can: GenVIS runs the clip so
/// far, and its last run is the revision; VITA has a tracker in front. A method that holds frames back until a clip is
/// full would delay provisional results by a clip, and frames at the end of an epoch must be final before the next.
/// </remarks>
public interface IVideoMethod : IDisposable
{
    /// <summary>Lengths of the clips that are revised; null: frames are never revised.</summary>
    ClipLengths? Clip { get; }

    /// <summary>Answers the next frame, which stays the caller's but for tensors taken out; so is the answer.</summary>
    /// <exception cref="Inference.ModelException">A graph failed.</exception>
    QueryFrame Observe(SegmentedFrame frame);

    /// <summary>Revises a window of answers of one epoch, oldest first. The revision is the caller's.</summary>
    /// <exception cref="Inference.ModelException">A graph failed; the frames are as they were.</exception>
    ClipRevision Revise(IReadOnlyList<QueryFrame> window);

    /// <summary>Begins a new epoch: no track continues.</summary>
    void Reset();
}

/// <summary>Lengths of a clip in frames.</summary>
/// <param name="Window">Frames that a revision sees.</param>
/// <param name="Stride">Frames that it decides.</param>
/// <param name="Lookahead">Frames after the last decided one.</param>
public sealed record ClipLengths(int Window, int Stride, int Lookahead);

/// <summary>Answer of a revision for the frames of its window; row = slot. One owner, who disposes it.</summary>
/// <param name="Logits">Class logits for all frames, shape [Q,K+1].</param>
/// <param name="MaskEmbeds">Shape [T,Q,Cm].</param>
public sealed record ClipRevision(Tensor Logits, Tensor MaskEmbeds) : IDisposable
{
    public void Dispose()
    {
        Logits.Dispose();
        MaskEmbeds.Dispose();
    }
}
