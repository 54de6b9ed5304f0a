using System.Collections.Immutable;
using System.Globalization;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>CloudEvents types of <c>…/events</c>; on the wire <c>io.dvis.track.started</c> and so on.</summary>
public enum EventKind
{
    TrackStarted, TrackUpdated, TrackLost, TrackEnded, TrackFinalized, TrackRetracted, TrackIdentityChanged,
    TrackZoneEntered, TrackZoneLeft, TrackZoneRetracted, TrackLineCrossed, TrackLineRetracted,
    CameraOnline, CameraOffline, CameraDegraded, CameraRecovered, TrackerReset, DataGap,
}

/// <summary>Event of a track or a camera.</summary>
/// <param name="Epoch">Epoch of the camera's tracks; empty for a camera event before there is one.</param>
/// <param name="Sequence">Number in the <see cref="Series"/> from 1.</param>
/// <param name="Track">Number of the track; null for camera events.</param>
/// <param name="Frame">The frame at which it happened; null when none was ever read.</param>
/// <param name="Reason">One snake-case word, or null.</param>
public sealed record LifecycleEvent(
    string Camera, string Epoch, long Sequence, EventKind Kind, DateTimeOffset Time, long? Track,
    int? ClassId, float? Score, FrameInfo? Frame, string? Reason, TrackSummary? Summary) : PipelineMessage(Camera)
{
    /// <summary>Track that this one turned out to be, with kind TrackIdentityChanged; else null.</summary>
    public long? Into { get; init; }

    /// <summary>With the kinds of zones and lines; else null.</summary>
    public ZoneFacts? Zone { get; init; }

    /// <summary>ULID in which <see cref="Sequence"/> counts: that of the epoch, and another for camera events and for
    /// zone events, which happen between epochs too.</summary>
    public string Series { get; init; } = Epoch;

    /// <summary>Idempotency key, <c>{series}-e{sequence}</c>; ids of tracks have no <c>e</c>.</summary>
    public string Id => string.Create(CultureInfo.InvariantCulture, $"{Series}-e{Sequence}");

    public override bool IsDurable => true;
}

/// <summary>Summary of a track, sent with its last events.</summary>
/// <param name="ClassVotes">Class and votes, most first.</param>
public sealed record TrackSummary(
    DateTimeOffset First, DateTimeOffset Last, double DurationSeconds, float MaxScore,
    ImmutableArray<KeyValuePair<int, int>> ClassVotes, long BestFrameId, int Frames);
