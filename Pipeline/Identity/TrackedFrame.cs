using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>Who sits in a query slot in one frame.</summary>
/// <param name="Identity">Null: nobody.</param>
/// <param name="State">Of that track in that frame.</param>
public readonly record struct SlotTrack(TrackIdentity? Identity, TrackState State);

/// <summary>One frame after the tracker, on its way to refinement. One owner, who disposes it; the tensors are pooled.</summary>
public sealed class TrackedFrame(FrameInfo info, Epoch epoch, MaskGeometry geometry) : IDisposable
{
    public FrameInfo Info { get; } = info;

    public Epoch Epoch { get; } = epoch;

    public MaskGeometry Geometry { get; } = geometry;

    /// <summary>Monotonic time at which its provisional result was ready (<see cref="TimeProvider.GetTimestamp"/>).</summary>
    public required long Tracked { get; init; }

    /// <summary>Answer of the method, kept as context of later revisions.</summary>
    public required QueryFrame Queries { get; init; }

    /// <summary>Shape [1,Cm,h,w]; disposed when the frame's final masks are made.</summary>
    public required Tensor MaskFeatures { get; init; }

    /// <summary>Length Q.</summary>
    public required SlotTrack[] Slots { get; init; }

    /// <summary>What the provisional result showed.</summary>
    public required ImmutableArray<TrackObservation> Shown { get; init; }

    /// <summary>What it showed beside the tracks; null with task <c>vis</c>.</summary>
    public Scene? Scene { get; init; }

    /// <summary>Tracks that ended at this frame.</summary>
    public required ImmutableArray<EndedTrack> Ended { get; init; }

    /// <summary>Tracks that turned out, at this frame, to be others.</summary>
    public required ImmutableArray<IdentityChange> Merges { get; init; }

    /// <summary>Why another epoch ended before this frame; null within an epoch, and with the camera's first.</summary>
    public string? Reset { get; init; }

    public required StageLatency Latency { get; init; }

    public void Dispose()
    {
        MaskFeatures.Dispose();
        Queries.Dispose();
    }
}
