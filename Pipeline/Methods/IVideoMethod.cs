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
/// <para>
/// 2026-12-01, with GenVIS: (1) a method may cut the clips itself, by <see cref="QueryFrame.ClipPlace"/>, because its
/// state changes where a clip ends, and the stage that revises runs behind. (2) A revision may stand alone: only DVIS
/// mixes the tracker's logits in. (3) <see cref="Release"/> ends a slot's object; methods with endless slots need it.
/// (4) <see cref="Memory"/> is measured. All have a default, so methods without clips or memory stay as they were.
/// (5) A method that decides identity itself (RefineVIS) says so in <see cref="QueryFrame.Tracklets"/>.
/// </para>
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

    /// <summary>Memory of past clips in use; null: the method has none.</summary>
    MemoryUse? Memory => null;

    /// <summary>Tracklets of the method's own association; null: it has none.</summary>
    TrackletUse? Tracklets => null;

    /// <summary>Reports that the track of a slot has ended: the slot may be used for another object.</summary>
    void Release(int slot)
    {
    }

    /// <summary>Begins a new epoch: no track continues.</summary>
    void Reset();
}

/// <summary>Use of a memory of past clips.</summary>
/// <param name="Clips">Entries; at most the model's <c>memory.clips</c>.</param>
/// <param name="Merged">Clips that share an entry with others, or were forgotten.</param>
public readonly record struct MemoryUse(int Clips, long Merged);

/// <summary>Use of the slots of an association.</summary>
/// <param name="Live">Tracklets in the memory; at most the model's <c>queries</c>.</param>
/// <param name="Dropped">Tracklets ended, and detections refused, because all slots were taken; in all epochs.</param>
public readonly record struct TrackletUse(int Live, long Dropped);

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
    /// <summary>
    /// True: the class probabilities are those of <see cref="Logits"/>; false: or the frames' mean where it is higher.
    /// </summary>
    public bool StandsAlone { get; init; }

    public void Dispose()
    {
        Logits.Dispose();
        MaskEmbeds.Dispose();
    }
}
