using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>Track assigned to a query slot in one frame.</summary>
/// <param name="Identity">Null: the slot is empty.</param>
/// <param name="State">State of that track in that frame.</param>
public readonly record struct SlotTrack(TrackIdentity? Identity, TrackState State);

/// <summary>A frame between tracker and final result. One owner, who disposes it; the tensors are pooled.</summary>
/// <param name="provisional">What is published of the frame at once.</param>
public sealed class TrackedFrame(ProvisionalResult provisional, Epoch epoch, MaskGeometry geometry) : IDisposable
{
    public ProvisionalResult Provisional { get; } = provisional;

    public FrameInfo Info => Provisional.Frame;

    public Epoch Epoch { get; } = epoch;

    public MaskGeometry Geometry { get; } = geometry;

    /// <summary><see cref="TimeProvider.GetTimestamp"/> when its provisional result was ready.</summary>
    public required long Tracked { get; init; }

    /// <summary>Answer of the method, kept as context of later revisions.</summary>
    public required QueryFrame Queries { get; init; }

    /// <summary>Shape [1,Cm,h,w]; disposed when the frame's final masks are made.</summary>
    public required Tensor MaskFeatures { get; init; }

    /// <summary>Length Q.</summary>
    public required SlotTrack[] Slots { get; init; }

    /// <summary>Events at this frame, published after its provisional result.</summary>
    public ImmutableArray<LifecycleEvent> Events { get; init; } = [];

    /// <summary>Tracks that ended at this frame.</summary>
    public required ImmutableArray<EndedTrack> Ended { get; init; }

    /// <summary>Published tracks that were merged into others at this frame.</summary>
    public required ImmutableArray<IdentityChange> Merges { get; init; }

    /// <summary>Why another epoch ended before this frame, or null.</summary>
    public string? Reset { get; init; }

    /// <summary>Number of the track that this one is now merged into, or its own.</summary>
    public long Resolve(long number)
    {
        foreach (var slot in Slots)
            if (slot.Identity?.Number == number) return slot.Identity.Resolve().Number;
        return number;
    }

    public void Dispose()
    {
        MaskFeatures.Dispose();
        Queries.Dispose();
    }
}
