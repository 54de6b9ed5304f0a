using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Publishing;

/// <summary>What leaves the pipeline: plain, immutable, unpooled. One stream of them a camera, in order.</summary>
public abstract record PipelineMessage(string Camera)
{
    /// <summary>True for what must not be lost (final, events, status): a full queue sheds telemetry first.</summary>
    public abstract bool IsDurable { get; }
}

/// <summary>Milliseconds a frame spent in each stage; null where it has not been.</summary>
public sealed record StageLatency(double? Decode = null, double? Queue = null, double? Segment = null, double? Track = null, double? Refine = null);

/// <summary>Life of a track: named after the field (tentative, active, lost, ended).</summary>
public enum TrackState { Tentative, Active, Lost, Ended }

/// <summary>Axis-aligned box in source pixels, COCO order, clipped to the frame, tight around the mask.</summary>
public readonly record struct Box(float X, float Y, float Width, float Height);

/// <summary>A closed polygon in source pixels: x0,y0,x1,y1,…</summary>
public sealed record Contour(ImmutableArray<float> Points);

/// <summary>One track in one frame.</summary>
/// <param name="Number">Number of the track in its epoch, never reused; the id on the wire is <c>{epoch}-{number}</c>.</param>
/// <param name="Score">0 … 1.</param>
/// <param name="AreaPx">Source pixels.</param>
/// <param name="Mask">Null while lost, or when masks are not wanted.</param>
public sealed record TrackObservation(
    long Number, int ClassId, float Score, TrackState State, int AgeFrames,
    Box Box, double AreaPx, float CentroidX, float CentroidY, bool Truncated, RunLengthMask? Mask, Contour? Contour);

/// <summary>The online answer for one frame; a later <see cref="FinalResult"/> supersedes it.</summary>
/// <param name="FinalThroughFrame">Last frame id already covered by a final result, -1 when none.</param>
/// <param name="DroppedSinceLast">Frames of this camera that were dropped between the previous result and this.</param>
public sealed record ProvisionalResult(
    FrameInfo Frame, string Epoch, ImmutableArray<TrackObservation> Tracks,
    long FinalThroughFrame, long DroppedSinceLast, StageLatency Latency) : PipelineMessage(Frame.Camera)
{
    /// <summary>What is in the frame beside the tracks; null with task <c>vis</c>.</summary>
    public Scene? Scene { get; init; }

    public override bool IsDurable => false;
}

public enum FinalKind { Refined, Passthrough, Skipped }

/// <summary>Why a final result is not refined, or shorter than the stride.</summary>
public enum FinalReason { None, Overload, Gap, Reset, Disabled, End, Error, Deadline }

/// <summary>A track in one frame of a final window; not visible where <paramref name="Visible"/> is false (then box and mask are void).</summary>
public sealed record FinalObservation(long FrameId, float Score, bool Visible, Box Box, double AreaPx, RunLengthMask? Mask, Contour? Contour);

/// <summary>A track over a final window.</summary>
/// <param name="ProvisionalClassId">What the provisional results said at last, when it differs from <paramref name="ClassId"/>; else null.</param>
public sealed record FinalTrack(long Number, int ClassId, float Score, int? ProvisionalClassId, ImmutableArray<FinalObservation> Frames);

public enum IdentityOp { Merge, Split }

/// <summary>The refiner found that tracks are one (merge) or that one track was two objects (split).</summary>
public sealed record IdentityChange(IdentityOp Op, ImmutableArray<long> From, long Into, long AtFrame);

/// <summary>The last word on a window of frames: replaces every provisional result of these frames.</summary>
/// <param name="FirstFrame">First frame id covered: the previous final's last plus one, so that windows are contiguous even over dropped frames.</param>
/// <param name="LastFrame">Last frame id covered.</param>
/// <param name="Frames">The frames that were processed in this range, ascending; never empty.</param>
/// <param name="Retracted">Tracks that provisional results showed in these frames and that do not exist in them.</param>
public sealed record FinalResult(
    string Camera, string Epoch, long FirstFrame, long LastFrame, ImmutableArray<FrameInfo> Frames, FinalKind Kind, FinalReason Reason,
    ImmutableArray<FinalTrack> Tracks, ImmutableArray<long> Retracted, ImmutableArray<IdentityChange> Identity,
    StageLatency Latency) : PipelineMessage(Camera)
{
    /// <summary>What was beside the tracks; null with task <c>vis</c>, and where nothing is said (skipped).</summary>
    public SceneRevision? Scene { get; init; }

    public override bool IsDurable => true;
}

/// <summary>CloudEvents types of <c>…/events</c>; on the wire <c>io.dvis.track.started</c> and so on.</summary>
public enum EventKind
{
    TrackStarted, TrackUpdated, TrackLost, TrackEnded, TrackFinalized, TrackRetracted, TrackIdentityChanged,
    CameraOnline, CameraOffline, CameraDegraded, CameraRecovered, TrackerReset, DataGap,
}

/// <summary>The life of a track in one glance, sent with its last events.</summary>
public sealed record TrackSummary(
    DateTimeOffset First, DateTimeOffset Last, double DurationSeconds, float MaxScore,
    ImmutableArray<KeyValuePair<int, int>> ClassVotes, long BestFrameId, int Frames);

/// <summary>Something happened to a track or a camera.</summary>
/// <param name="Sequence">Counts the events of the epoch from 1; <c>{epoch}-{sequence}</c> is the idempotency key.</param>
/// <param name="Track">Number of the track; null for camera events.</param>
/// <param name="Frame">The frame at which it happened; null when none was ever read.</param>
/// <param name="Reason">One snake-case word, or null.</param>
public sealed record LifecycleEvent(
    string Camera, string Epoch, long Sequence, EventKind Kind, DateTimeOffset Time, long? Track,
    int? ClassId, float? Score, FrameInfo? Frame, string? Reason, TrackSummary? Summary) : PipelineMessage(Camera)
{
    /// <summary>With <see cref="EventKind.TrackIdentityChanged"/>: the track this one turned out to be; else null.</summary>
    public long? Into { get; init; }

    public override bool IsDurable => true;
}

public enum CameraState { Starting, Online, Degraded, Offline, Disabled }

/// <summary>Retained state of a camera, from its supervisor.</summary>
/// <param name="Detail">Redacted text for a person, or null.</param>
/// <param name="Attempt">Connection attempts since the last good frame; 0 when online.</param>
/// <param name="NextRetrySeconds">Null when no retry is planned.</param>
public sealed record CameraStatus(
    string Camera, CameraState State, DateTimeOffset Since, SourceFault Reason, string? Detail,
    int Attempt, double? NextRetrySeconds, double FpsIn, double FpsOut, FrameInfo? LastFrame, string? Codec, string? Epoch) : PipelineMessage(Camera)
{
    /// <summary>What a person should change although the camera works; empty: nothing.</summary>
    public ImmutableArray<CameraWarning> Warnings { get; init; } = [];

    public override bool IsDurable => true;
}

/// <summary>Kinds of <see cref="CameraWarning"/>, one snake-case word on the wire.</summary>
public enum CameraWarningKind
{
    /// <summary>The model was trained on rendered scenes and the camera is a real one.</summary>
    ModelDomain,
}

/// <summary>What a person should change about a camera that works; holds until the configuration changes.</summary>
/// <param name="Detail">A sentence for a person, without secrets.</param>
public sealed record CameraWarning(CameraWarningKind Kind, string Detail);

/// <summary>A camera as the sinks know it.</summary>
/// <param name="Name"><c>[a-z0-9_-]{1,64}</c>.</param>
public sealed record SinkCamera(string Name, PublishOptions Publish);

/// <summary>
/// The cameras there are from now on. It follows the last message of a camera that went and precedes the first of one that came; sinks
/// forget those not listed. It is about no single camera: <see cref="PipelineMessage.Camera"/> is empty. No queue sheds it.
/// </summary>
/// <param name="ConfigHash">Of the configuration that holds now, secrets left out.</param>
public sealed record CamerasChanged(ImmutableArray<SinkCamera> Cameras, string ConfigHash) : PipelineMessage("")
{
    public override bool IsDurable => true;
}
