using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Results;

public enum FinalKind { Refined, Passthrough, Skipped }

/// <summary>Why a final result is not refined, or shorter than the stride.</summary>
public enum FinalReason { None, Overload, Gap, Reset, Disabled, End, Error, Deadline }

/// <summary>The last word on a window of frames: replaces every provisional result of these frames.</summary>
/// <param name="FirstFrame">First frame id covered: the previous final's last plus one,
/// so that windows are contiguous even over dropped frames.</param>
/// <param name="LastFrame">Last frame id covered.</param>
/// <param name="Frames">The frames that were processed in this range, ascending; never empty.</param>
/// <param name="Retracted">Tracks that provisional results showed in these
/// frames and that do not exist in them.</param>
public sealed record FinalResult(
    string Camera, string Epoch, long FirstFrame, long LastFrame, ImmutableArray<FrameInfo> Frames, FinalKind Kind,
    FinalReason Reason,
    ImmutableArray<FinalTrack> Tracks, ImmutableArray<long> Retracted, ImmutableArray<IdentityChange> Identity,
    StageLatency Latency) : PipelineMessage(Camera)
{
    /// <summary>What was beside the tracks; null with task <c>vis</c>, and where nothing is said (skipped).</summary>
    public SceneRevision? Scene { get; init; }

    public override bool IsDurable => true;
}
