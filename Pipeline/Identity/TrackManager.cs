using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>
/// Manager of tracks: it maps query slots to track ids. In DVIS the slot number is the id; here a slot has tracks, one
/// after the other: tentative, active, lost, ended, and an id is never reused. A slot with another object starts
/// another track; an object that returns, in any slot, gets its id back by its embedding or its place. One per epoch;
/// not thread-safe.
/// </summary>
/// <param name="changed">Called for each change of a confirmed track, in order.</param>
/// <param name="startScore">
/// Score of a class from which a candidate may begin, confirm or return to a track; a lower one only continues a track
/// where it was in the last frames (two thresholds, as in ByteTrack). Null: any.
/// </param>
public sealed class TrackManager(
    Epoch epoch, int queries, int classes, int channels, TrackOptions options, Action<TrackChange> changed,
    Func<int, double>? startScore = null)
{
    private const double ContinuedIoU = 0.2; // from here on it is the same object, whatever its embedding
    private const double HandoverIoU = 0.4; // an unclaimed track covered this much moves here from another slot
    private const int FreshFrames = 5; // frames for which a mask is evidence for the next
    private const double Experience = 0.2; // similarity added to a track that was seen in ExperiencedFrames
    private const int ExperiencedFrames = 25;
    private const double KeepMargin = 0.3; // an active track follows its slot with this much less similarity

    private readonly Track?[] _slots = new Track?[queries];

    // Slots that have the same object as before in this frame.
    private readonly bool[] _continues = new bool[queries];
    private readonly List<Track> _tracks = [];
    private readonly List<MaskBits> _accepted = [];
    private readonly List<EndedTrack> _ended = [];
    private readonly List<int> _freed = [];
    private readonly List<IdentityChange> _merges = [];
    private Comparison<Candidate>? _byRank;
    private bool _associated;
    private long _numbers;

    /// <summary>All tracks that have not ended, tentative ones included.</summary>
    public IReadOnlyList<Track> Tracks => _tracks;

    /// <summary>Tracks that ended in the last update.</summary>
    public ImmutableArray<EndedTrack> Ended => [.. _ended];

    /// <summary>Slots whose track ended in the last update; of those that were never confirmed, none.</summary>
    public IReadOnlyList<int> Freed => _freed;

    /// <summary>Tracks that were merged into others in the last update.</summary>
    public ImmutableArray<IdentityChange> Merges => [.. _merges];

    /// <summary>The track of a slot that was seen in the last update, or null.</summary>
    public Track? SeenIn(int slot) => _slots[slot] is { Missed: 0 } track ? track : null;

    public SlotTrack[] SlotTracks()
        => Array.ConvertAll(_slots, track => track is null ? default : new SlotTrack(track.Identity, track.State));

    /// <summary>Takes one frame.</summary>
    /// <param name="seconds">Epoch seconds.</param>
    /// <param name="candidates">Slots that claim an object; reordered.</param>
    /// <param name="probabilities">Shape [Q,K+1].</param>
    /// <param name="embeds">Instance embeddings, shape [Q,C].</param>
    /// <param name="tracklets">
    /// The method's own number of the object in each slot, length Q. Then a track is a tracklet: it continues and ends
    /// with that, and neither place nor embedding counts. Empty: place and embedding decide.
    /// </param>
    public void Update(FrameInfo frame, double seconds, List<Candidate> candidates, ReadOnlySpan<float> probabilities,
        ReadOnlySpan<float> embeds, ReadOnlySpan<long> tracklets = default)
    {
        _ended.Clear();
        _freed.Clear();
        _merges.Clear();
        _accepted.Clear();
        foreach (var track in _tracks)
        {
            track.Age++;
            track.Missed++;
            track.Suppressed = false;
        }

        _associated = !tracklets.IsEmpty;
        if (_associated) Leave(tracklets);
        Array.Clear(_continues);
        foreach (var candidate in candidates)
            _continues[candidate.Slot] = _slots[candidate.Slot] is { } track
                && IsSame(track, candidate, embeds.Slice(candidate.Slot * channels, channels));

        // Tracks that continue in their slots come first: a new one cannot take their object, nor be taken for them.
        candidates.Sort(_byRank ??= (a, b) => Rank(b).CompareTo(Rank(a)));
        foreach (var candidate in candidates)
        {
            if (candidate.Bits.IsDuplicateOf(_accepted))
            {
                if (_continues[candidate.Slot] && _slots[candidate.Slot] is { } second) second.Suppressed = true;
                continue;
            }

            _accepted.Add(candidate.Bits);
            Claim(frame, seconds, candidate, probabilities.Slice(candidate.Slot * (classes + 1), classes),
                embeds.Slice(candidate.Slot * channels, channels));
            if (_associated && _slots[candidate.Slot] is { } track) track.Tracklet = tracklets[candidate.Slot];
        }

        foreach (var track in _tracks.ToArray())
            if (track.Missed > 0) Miss(track, seconds);
        while (_tracks.Count > 4 * queries) End(_tracks.MaxBy(l => l.Missed)!, "limit");
    }

    /// <summary>Ends every track and the epoch.</summary>
    public void EndAll(FinalReason reason, string why)
    {
        _ended.Clear();
        foreach (var track in _tracks.ToArray()) End(track, why);
        epoch.End(reason, [.. _ended]);
    }

    /// <summary>Ends the tracks whose tracklets have left.</summary>
    private void Leave(ReadOnlySpan<long> tracklets)
    {
        foreach (var track in _tracks.ToArray())
            if (track.Tracklet != tracklets[track.Slot]) End(track, "lost_timeout");
    }

    private double Rank(Candidate c) => c.Score + (_continues[c.Slot] ? _slots[c.Slot]!.State : TrackState.Ended) switch
    {
        TrackState.Active => 3,
        TrackState.Lost => 2,
        TrackState.Tentative when !IsWeak(c) => 1,
        _ => 0,
    };

    private bool IsWeak(Candidate candidate) => candidate.Score < startScore?.Invoke(candidate.ClassId);

    private void Claim(FrameInfo frame, double seconds, Candidate candidate, ReadOnlySpan<float> probabilities,
        ReadOnlySpan<float> embedding)
    {
        var track = _slots[candidate.Slot];
        if (track is not null && !_continues[candidate.Slot])
        {
            track.Slot = -1;
            track = null;
        }

        // While young, a track may still turn out to be one that was lost before it began.
        if (!_associated && (track is null || track.Frames <= options.ConfirmFrames + FreshFrames))
        {
            if (FindReturning(candidate, embedding, track) is { } old)
            {
                if (track is not null) Merge(track, old, frame);
                track = old;
                if (old.Slot >= 0) _slots[old.Slot] = null;
                old.Slot = candidate.Slot;
                _slots[candidate.Slot] = old;
            }
        }

        if (IsWeak(candidate) && (track is null || track.State == TrackState.Tentative)) return;
        track ??= Begin(frame, candidate.Slot);
        track.See(frame, seconds, probabilities, embedding, candidate.Bits);
        if (track.State == TrackState.Tentative)
        {
            if (track.Frames < options.ConfirmFrames) return;
            track.State = TrackState.Active;
            track.Identity.Confirmed = true;
            Report(EventKind.TrackStarted, track, null);
            return;
        }

        track.State = TrackState.Active;
        var reported = track.ReportedClass;
        // A glimpse of a lost track is not its return, as one frame does not start a track.
        if (track.IsLost && track.SeenAgain >= options.ConfirmFrames)
        {
            track.IsLost = false;
            Report(EventKind.TrackUpdated, track, "returned");
        }

        if (track.ClassId != reported) Report(EventKind.TrackUpdated, track, "class");
        else if (!track.IsLost && options.UpdateInterval > TimeSpan.Zero
            && seconds - track.LastEvent >= options.UpdateInterval.TotalSeconds)
            Report(EventKind.TrackUpdated, track, "interval");
    }

    private bool IsSame(Track track, Candidate candidate, ReadOnlySpan<float> embedding)
    {
        if (_associated) return true;
        if (track.Missed <= FreshFrames && track.Bits.IoU(candidate.Bits) >= ContinuedIoU) return true;
        // A later return is decided among all lost tracks, of any slot.
        if (track.Missed > FreshFrames) return false;
        var similarity = track.Similarity(embedding);
        return track.State == TrackState.Lost
            ? candidate.ClassId == track.ClassId && similarity >= options.ReidentifySimilarity
            : similarity >= options.ReidentifySimilarity - KeepMargin;
    }

    /// <summary>The unclaimed track that this candidate continues, or null.</summary>
    private Track? FindReturning(Candidate candidate, ReadOnlySpan<float> embedding, Track? young)
    {
        Track? best = null;
        var most = double.NegativeInfinity;
        foreach (var track in _tracks)
        {
            if (track.Missed == 0 || track.Suppressed || track == young) continue;
            if (track.State == TrackState.Tentative) continue;
            // Its own slot continues it in this frame.
            if (track.Slot >= 0 && _continues[track.Slot]) continue;
            // Tracks that were seen in one frame are two objects.
            if (young is not null && track.LastFrameId >= young.FirstFrameId) continue;
            var overlap = track.Missed <= FreshFrames ? track.Bits.IoU(candidate.Bits) : 0;
            var likeness = overlap >= HandoverIoU ? 1 + overlap
                : candidate.ClassId == track.ClassId && !IsWeak(candidate) ? track.Similarity(embedding)
                : -1;
            if (likeness < options.ReidentifySimilarity) continue;
            // Of similar tracks the longer wins: a short one is more often a second query on the same object.
            likeness += Experience * Math.Min(track.Frames, ExperiencedFrames) / ExperiencedFrames;
            if (likeness > most) (best, most) = (track, likeness);
        }

        return best;
    }

    private void Merge(Track young, Track old, FrameInfo frame)
    {
        young.Identity.MergeInto(old.Identity);
        old.SeenAgain = young.Frames;
        _tracks.Remove(young);
        _slots[young.Slot] = null;
        if (!young.Identity.Confirmed) return;
        _merges.Add(new IdentityChange([young.Identity.Number], old.Identity.Number, frame.FrameId));
        changed(new TrackChange(EventKind.TrackIdentityChanged, young, "merged", null, old));
    }

    private Track Begin(FrameInfo frame, int slot)
    {
        var track = new Track(new TrackIdentity(++_numbers), slot, channels, frame.FrameId) { Age = 1 };
        _tracks.Add(track);
        _slots[slot] = track;
        return track;
    }

    private void Miss(Track track, double seconds)
    {
        if (track.State == TrackState.Tentative)
        {
            End(track, "unconfirmed");
            return;
        }

        track.State = TrackState.Lost;
        if (track.Missed == options.LostAfter)
        {
            if (!track.IsLost) Report(EventKind.TrackLost, track, null);
            (track.IsLost, track.SeenAgain) = (true, 0);
        }

        if (!_associated && seconds - track.LastSeen > options.LostTimeout.TotalSeconds) End(track, "lost_timeout");
    }

    private void End(Track track, string reason)
    {
        _tracks.Remove(track);
        if (track.Slot >= 0) _slots[track.Slot] = null;
        track.State = TrackState.Ended;
        if (!track.Identity.Confirmed) return;
        if (track.Slot >= 0) _freed.Add(track.Slot);
        var summary = track.Summarise();
        _ended.Add(new EndedTrack(track.Identity, track.LastFrameId, track.ClassId, summary));
        changed(new TrackChange(EventKind.TrackEnded, track, reason, summary, null));
    }

    private void Report(EventKind kind, Track track, string? reason)
    {
        (track.LastEvent, track.ReportedClass) = (track.LastSeen, track.ClassId);
        changed(new TrackChange(kind, track, reason, null, null));
    }
}

/// <summary>A query slot that claims an object in this frame.</summary>
/// <param name="Row">Row of its mask in the frame's mask logits.</param>
/// <param name="Score">Score of its best class, 0 … 1.</param>
/// <param name="Bits">Its mask on the network's grid.</param>
public readonly record struct Candidate(int Slot, int Row, int ClassId, float Score, MaskBits Bits);

/// <summary>A change of a confirmed track.</summary>
public readonly record struct TrackChange(EventKind Kind, Track Track, string? Reason, TrackSummary? Summary,
    Track? Into);
