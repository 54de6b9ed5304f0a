using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Results;

public enum FinalKind { Refined, Passthrough, Skipped }

/// <summary>Why a final result is not refined, or shorter than the stride.</summary>
public enum FinalReason { None, Overload, Gap, Reset, Disabled, End, Error, Deadline }

/// <summary>Final result of a window of frames: replaces their provisional results.</summary>
/// <param name="FirstFrame">
/// First frame id covered: the previous final's last plus one, so that windows are contiguous also over dropped frames.
/// </param>
/// <param name="LastFrame">Last frame id covered.</param>
/// <param name="Frames">The frames that were processed in this range, ascending; never empty.</param>
/// <param name="Retracted">Tracks that provisional results showed in the window and that are in no frame of it.</param>
public sealed record FinalResult(
    string Camera, string Epoch, long FirstFrame, long LastFrame, ImmutableArray<FrameInfo> Frames, FinalKind Kind,
    FinalReason Reason, ImmutableArray<FinalTrack> Tracks, ImmutableArray<long> Retracted,
    ImmutableArray<IdentityChange> Identity, StageLatency Latency) : PipelineMessage(Camera)
{
    /// <summary>Null with task <c>vis</c>, and in a skipped window.</summary>
    public SceneRevision? Scene { get; init; }

    public override bool IsDurable => true;
}

/// <summary>A track over a final window.</summary>
/// <param name="ProvisionalClassId">Class in the last provisional result; null when it is the same.</param>
public sealed record FinalTrack(
    long Number, int ClassId, float Score, int? ProvisionalClassId, ImmutableArray<FinalObservation> Frames);

/// <summary>A track in one frame of a final window.</summary>
/// <param name="Visible">False: box and mask are void.</param>
public sealed record FinalObservation(
    long FrameId, float Score, bool Visible, Box Box, double AreaPx, RunLengthMask? Mask, Contour? Contour);

/// <summary>Merge of tracks that turned out to be one object.</summary>
public sealed record IdentityChange(ImmutableArray<long> From, long Into, long AtFrame);
