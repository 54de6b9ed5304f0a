using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>
/// Unbroken period of a camera's tracker, within which tracks and events are numbered. The track stage writes; the
/// refine stage reads what was written before the frame, or the end of the stream, reached it.
/// </summary>
public sealed class Epoch(string id)
{
    private long _events;

    /// <summary>ULID.</summary>
    public string Id { get; } = id;

    /// <summary>Tracks that ended with the epoch; empty before its end.</summary>
    public ImmutableArray<EndedTrack> Ended { get; private set; } = [];

    /// <summary>Reason of the short last window of the epoch.</summary>
    public FinalReason EndReason { get; private set; } = FinalReason.End;

    /// <summary>Last frame id covered by a final result, -1 when none. Thread-safe.</summary>
    public long FinalThrough
    {
        get => Interlocked.Read(ref field);
        set => Interlocked.Exchange(ref field, value);
    } = -1;

    /// <summary>1, 2, 3, …: the idempotency key of an event is <c>{Id}-{number}</c>. Thread-safe.</summary>
    public long NextEvent() => Interlocked.Increment(ref _events);

    public void End(FinalReason reason, ImmutableArray<EndedTrack> ended) => (EndReason, Ended) = (reason, ended);
}

/// <summary>An ended track.</summary>
public sealed record EndedTrack(TrackIdentity Identity, long LastFrameId, int ClassId, TrackSummary Summary);

/// <summary>
/// Identity of a track. Frames that wait for refinement refer to it, so that later facts count for them, too: it was
/// confirmed, or merged into another track. Written by the track stage, read by the refine stage.
/// </summary>
public sealed class TrackIdentity(long number)
{
    private volatile TrackIdentity? _mergedInto;

    /// <summary>Unique in the epoch, never reused.</summary>
    public long Number { get; } = number;

    /// <summary>False while tentative: such a track was never published.</summary>
    public bool Confirmed { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>True once its <c>started</c> event is published, which the class filter may delay.</summary>
    public bool Announced { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>Class votes of the frames that were revised; null before the first. Of the refine stage.</summary>
    public ClassVotes? Revised { get; private set; }

    public void Revise(int classId, float score) => (Revised ??= new()).Add(classId, score);

    public void MergeInto(TrackIdentity other) => _mergedInto = other;

    /// <summary>Itself, or the track that it was merged into.</summary>
    public TrackIdentity Resolve()
    {
        var identity = this;
        while (identity._mergedInto is { } other) identity = other;
        return identity;
    }
}
