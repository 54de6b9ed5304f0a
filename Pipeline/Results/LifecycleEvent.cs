using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>CloudEvents types of <c>…/events</c>; on the wire <c>io.dvis.track.started</c> and so on.</summary>
public enum EventKind
{
    TrackStarted, TrackUpdated, TrackLost, TrackEnded, TrackFinalized, TrackRetracted, TrackIdentityChanged,
    CameraOnline, CameraOffline, CameraDegraded, CameraRecovered, TrackerReset, DataGap,
}

/// <summary>Event of a track or a camera.</summary>
/// <param name="Sequence">Number in the epoch from 1; <c>{epoch}-{sequence}</c> is the idempotency key.</param>
/// <param name="Track">Number of the track; null for camera events.</param>
/// <param name="Frame">The frame at which it happened; null when none was ever read.</param>
/// <param name="Reason">One snake-case word, or null.</param>
public sealed record LifecycleEvent(
    string Camera, string Epoch, long Sequence, EventKind Kind, DateTimeOffset Time, long? Track,
    int? ClassId, float? Score, FrameInfo? Frame, string? Reason, TrackSummary? Summary) : PipelineMessage(Camera)
{
    /// <summary>Track that this one turned out to be, with kind TrackIdentityChanged; else null.</summary>
    public long? Into { get; init; }

    public override bool IsDurable => true;
}

/// <summary>Summary of a track, sent with its last events.</summary>
/// <param name="ClassVotes">Class and votes, most first.</param>
public sealed record TrackSummary(
    DateTimeOffset First, DateTimeOffset Last, double DurationSeconds, float MaxScore,
    ImmutableArray<KeyValuePair<int, int>> ClassVotes, long BestFrameId, int Frames);
