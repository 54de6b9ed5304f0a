using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>
/// One unbroken life of a camera's tracker. Track numbers and event numbers count within it. The track stage writes,
/// the refine stage reads what was written before the frame, or the end of the stream, reached it.
/// </summary>
public sealed class Epoch(string id)
{
    private long _events;
    private long _finalThrough = -1;

    /// <summary>ULID.</summary>
    public string Id { get; } = id;

    /// <summary>Tracks that ended with the epoch; empty while it lives.</summary>
    public ImmutableArray<EndedTrack> Ended { get; private set; } = [];

    /// <summary>Why the last window of the epoch is short.</summary>
    public FinalReason EndReason { get; private set; } = FinalReason.End;

    /// <summary>Last frame id covered by a final result, -1 when none. Thread-safe.</summary>
    public long FinalThrough
    {
        get => Interlocked.Read(ref _finalThrough);
        set => Interlocked.Exchange(ref _finalThrough, value);
    }

    /// <summary>1, 2, 3, …: the idempotency key of an event is <c>{Id}-{number}</c>. Thread-safe.</summary>
    public long NextEvent() => Interlocked.Increment(ref _events);

    public void End(FinalReason reason, ImmutableArray<EndedTrack> ended) => (EndReason, Ended) = (reason, ended);
}

/// <summary>A track that will not be seen again, and what it was.</summary>
public sealed record EndedTrack(TrackIdentity Identity, long LastFrameId, int ClassId, TrackSummary Summary);

/// <summary>
/// Who a track is. Frames that wait for refinement hold it, so that what is learned later counts for them too: that it
/// was confirmed, or that it was another track that had returned. Written by the track stage, read by the refine stage.
/// </summary>
public sealed class TrackIdentity(long number)
{
    private volatile bool _confirmed, _announced;
    private volatile TrackIdentity? _mergedInto;

    /// <summary>Unique in the epoch, never reused.</summary>
    public long Number { get; } = number;

    /// <summary>False while tentative: such a track was never published.</summary>
    public bool Confirmed
    {
        get => _confirmed;
        set => _confirmed = value;
    }

    /// <summary>Its <c>started</c> event went out; false also when the class filter has held it back so far.</summary>
    public bool Announced
    {
        get => _announced;
        set => _announced = value;
    }

    public void MergeInto(TrackIdentity other) => _mergedInto = other;

    /// <summary>Itself, or the track it turned out to be.</summary>
    public TrackIdentity Resolve()
    {
        var identity = this;
        while (identity._mergedInto is { } other) identity = other;
        return identity;
    }
}
