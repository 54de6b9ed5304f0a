using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>
/// Turns query slots into track ids. DVIS takes the slot number as the id, for ever; here a slot has lives: tentative →
/// active → lost → ended, and an id is never reused. A slot that starts to carry another object starts another track;
/// an object that comes back, in any slot, gets its id back by its embedding or by where it was. One per epoch; not
/// thread-safe.
/// </summary>
public sealed class TrackManager
{
    /// <summary>A mask that moved less than this between frames is the same object,
    /// whatever its embedding says.</summary>
    private const double ContinuedIoU = 0.2;

    /// <summary>An unclaimed track whose last mask is covered this much is handed over from another slot.</summary>
    private const double HandoverIoU = 0.4;

    /// <summary>Frames for which a last mask says anything about the next.</summary>
    private const int FreshFrames = 5;

    /// <summary>Frames without a sighting before <c>lost</c> is said: one missed frame is no news.</summary>
    private const int LostAfterFrames = 3;

    /// <summary>What it is worth, in similarity,
    /// that a track has been seen for <see cref="ExperiencedFrames"/>.</summary>
    private const double Experience = 0.2;

    private const int ExperiencedFrames = 25;

    /// <summary>An active track follows its slot down to this much less similarity than a return needs.</summary>
    private const double KeepMargin = 0.3;

    private readonly Epoch _epoch;
    private readonly int _classes, _channels, _limit;
    private readonly TrackOptions _options;
    private readonly double _startScore;
    private readonly Action<TrackChange> _changed;
    private readonly Track?[] _slots;

    // Slots that carry in this frame what they carried before.
    private readonly bool[] _continues;
    private readonly Comparison<Candidate> _byRank;
    private readonly List<Track> _lives = [];
    private readonly List<MaskBits> _accepted = [];
    private readonly List<EndedTrack> _ended = [];
    private readonly List<IdentityChange> _merges = [];
    private long _numbers;

    /// <param name="changed">Called for each change of a confirmed track, in order.</param>
    /// <param name="startScore">
    /// Class score from which a candidate may begin, confirm or return to a track; a lower one only continues a track
    /// where it was in the last frames (two thresholds, as in ByteTrack).
    /// </param>
    public TrackManager(
        Epoch epoch, int queries, int classes, int channels, TrackOptions options, Action<TrackChange> changed,
        double startScore = 0)
    {
        (_epoch, _classes, _channels, _options, _changed) = (epoch, classes, channels, options, changed);
        _startScore = startScore;
        _slots = new Track?[queries];
        _continues = new bool[queries];
        _byRank = (a, b) => Rank(b).CompareTo(Rank(a));
        _limit = 4 * queries;
    }

    /// <summary>All tracks that have not ended, tentative ones included.</summary>
    public IReadOnlyList<Track> Lives => _lives;

    /// <summary>Tracks that ended in the last update.</summary>
    public ImmutableArray<EndedTrack> Ended => [.. _ended];

    /// <summary>Tracks that were found to be others in the last update.</summary>
    public ImmutableArray<IdentityChange> Merges => [.. _merges];

    /// <summary>The life in a slot that was seen in the last update, or null.</summary>
    public Track? SeenIn(int slot) => _slots[slot] is { Missed: 0 } life ? life : null;

    public SlotTrack[] SlotTracks()
        => Array.ConvertAll(_slots, life => life is null ? default : new SlotTrack(life.Identity, life.State));

    /// <summary>Takes one frame.</summary>
    /// <param name="seconds">Epoch seconds.</param>
    /// <param name="candidates">Slots that claim an object; reordered.</param>
    /// <param name="probabilities">Shape [Q,K+1].</param>
    /// <param name="embeds">Instance embeddings, shape [Q,C].</param>
    public void Update(FrameInfo frame, double seconds, List<Candidate> candidates, ReadOnlySpan<float> probabilities,
        ReadOnlySpan<float> embeds)
    {
        _ended.Clear();
        _merges.Clear();
        _accepted.Clear();
        foreach (var life in _lives)
        {
            life.Age++;
            life.Missed++;
            life.Suppressed = false;
        }

        Array.Clear(_continues);
        foreach (var candidate in candidates)
            _continues[candidate.Slot] = _slots[candidate.Slot] is { } life
                && IsSame(life, candidate, embeds.Slice(candidate.Slot * _channels, _channels));

        // Tracks that continue in their slots speak first,
        // so that a newcomer can neither take their object nor be taken for them.
        candidates.Sort(_byRank);
        foreach (var candidate in candidates)
        {
            if (candidate.Bits.IsDuplicateOf(_accepted))
            {
                if (_continues[candidate.Slot] && _slots[candidate.Slot] is { } second) second.Suppressed = true;
                continue;
            }

            _accepted.Add(candidate.Bits);
            Claim(frame, seconds, candidate, probabilities.Slice(candidate.Slot * (_classes + 1), _classes),
                embeds.Slice(candidate.Slot * _channels, _channels));
        }

        foreach (var life in _lives.ToArray())
            if (life.Missed > 0) Miss(life, seconds);
        while (_lives.Count > _limit) End(_lives.MaxBy(l => l.Missed)!, "limit");
    }

    /// <summary>Ends every track with the epoch and tells the epoch so.</summary>
    public void EndAll(FinalReason reason, string why)
    {
        _ended.Clear();
        foreach (var life in _lives.ToArray()) End(life, why);
        _epoch.End(reason, [.. _ended]);
    }

    private double Rank(Candidate c) => c.Score + (_continues[c.Slot] ? _slots[c.Slot]!.State : TrackState.Ended) switch
    {
        TrackState.Active => 3,
        TrackState.Lost => 2,
        TrackState.Tentative when !IsWeak(c) => 1,
        _ => 0,
    };

    private bool IsWeak(Candidate candidate) => candidate.Score < _startScore;

    private void Claim(FrameInfo frame, double seconds, Candidate candidate, ReadOnlySpan<float> probabilities,
        ReadOnlySpan<float> embedding)
    {
        var life = _slots[candidate.Slot];
        if (life is not null && !_continues[candidate.Slot])
        {
            life.Slot = -1;
            life = null;
        }

        // While young, a track may still turn out to be one that was lost before it began.
        if (life is null || life.Frames <= _options.ConfirmFrames + FreshFrames)
        {
            if (FindReturning(candidate, embedding, life) is { } old)
            {
                if (life is not null) Merge(life, old, frame);
                life = old;
                if (old.Slot >= 0) _slots[old.Slot] = null;
                old.Slot = candidate.Slot;
                _slots[candidate.Slot] = old;
            }
        }

        if (IsWeak(candidate) && (life is null || life.State == TrackState.Tentative)) return;
        life ??= Begin(frame, candidate.Slot);
        var (before, missed) = (life.ClassId, life.Missed - 1);
        life.See(frame, seconds, probabilities, embedding, candidate.Bits);
        if (life.State == TrackState.Tentative)
        {
            if (life.Frames < _options.ConfirmFrames) return;
            life.State = TrackState.Active;
            life.Identity.Confirmed = true;
            Report(EventKind.TrackStarted, life, null);
            return;
        }

        life.State = TrackState.Active;
        if (missed >= LostAfterFrames) Report(EventKind.TrackUpdated, life, "returned");
        else if (life.ClassId != before) Report(EventKind.TrackUpdated, life, "class");
        else if (_options.UpdateInterval > TimeSpan.Zero
            && seconds - life.LastEvent >= _options.UpdateInterval.TotalSeconds)
            Report(EventKind.TrackUpdated, life, "interval");
    }

    private bool IsSame(Track life, Candidate candidate, ReadOnlySpan<float> embedding)
    {
        if (life.Missed <= FreshFrames && life.Bits.IoU(candidate.Bits) >= ContinuedIoU) return true;
        // Who returns after a while is decided among all that are lost, whatever slots they had.
        if (life.Missed > FreshFrames) return false;
        var similarity = life.Similarity(embedding);
        return life.State == TrackState.Lost
            ? candidate.ClassId == life.ClassId && similarity >= _options.ReidentifySimilarity
            : similarity >= _options.ReidentifySimilarity - KeepMargin;
    }

    /// <summary>The unclaimed track that this candidate continues, or null.</summary>
    private Track? FindReturning(Candidate candidate, ReadOnlySpan<float> embedding, Track? young)
    {
        Track? best = null;
        var most = double.NegativeInfinity;
        foreach (var life in _lives)
        {
            if (life.Missed == 0 || life.Suppressed || life.State == TrackState.Tentative || life == young) continue;
            // Its own slot has yet to speak for it in this frame.
            if (life.Slot >= 0 && _continues[life.Slot]) continue;
            // Two that were seen together are two.
            if (young is not null && life.LastFrameId >= young.FirstFrameId) continue;
            var overlap = life.Missed <= FreshFrames ? life.Bits.IoU(candidate.Bits) : 0;
            var likeness = overlap >= HandoverIoU ? 1 + overlap
                : candidate.ClassId == life.ClassId && !IsWeak(candidate) ? life.Similarity(embedding)
                : -1;
            if (likeness < _options.ReidentifySimilarity) continue;
            // Among like ones the long-known track wins:
            // a short one is more often a second query's brief claim on the same object.
            likeness += Experience * Math.Min(life.Frames, ExperiencedFrames) / ExperiencedFrames;
            if (likeness > most) (best, most) = (life, likeness);
        }

        return best;
    }

    private void Merge(Track young, Track old, FrameInfo frame)
    {
        young.Identity.MergeInto(old.Identity);
        _lives.Remove(young);
        _slots[young.Slot] = null;
        if (!young.Identity.Confirmed) return;
        _merges.Add(new IdentityChange([young.Identity.Number], old.Identity.Number, frame.FrameId));
        _changed(new TrackChange(EventKind.TrackIdentityChanged, young, "merged", null, old));
    }

    private Track Begin(FrameInfo frame, int slot)
    {
        var life = new Track(new TrackIdentity(++_numbers), slot, _classes, _channels, frame.FrameId) { Age = 1 };
        _lives.Add(life);
        _slots[slot] = life;
        return life;
    }

    private void Miss(Track life, double seconds)
    {
        if (life.State == TrackState.Tentative)
        {
            End(life, "unconfirmed");
            return;
        }

        life.State = TrackState.Lost;
        if (life.Missed == LostAfterFrames) Report(EventKind.TrackLost, life, null);
        if (seconds - life.LastSeen > _options.LostTimeout.TotalSeconds) End(life, "lost_timeout");
    }

    private void End(Track life, string reason)
    {
        _lives.Remove(life);
        if (life.Slot >= 0) _slots[life.Slot] = null;
        life.State = TrackState.Ended;
        if (!life.Identity.Confirmed) return;
        var summary = life.Summarise();
        _ended.Add(new EndedTrack(life.Identity, life.LastFrameId, life.ClassId, summary));
        _changed(new TrackChange(EventKind.TrackEnded, life, reason, summary, null));
    }

    private void Report(EventKind kind, Track life, string? reason)
    {
        life.LastEvent = life.LastSeen;
        _changed(new TrackChange(kind, life, reason, null, null));
    }
}

/// <summary>A query slot that claims an object in this frame.</summary>
/// <param name="Row">Row of its mask in the frame's mask logits.</param>
/// <param name="Score">Score of its best class, 0 … 1.</param>
/// <param name="Bits">Its mask on the network's grid.</param>
public readonly record struct Candidate(int Slot, int Row, int ClassId, float Score, MaskBits Bits);

/// <summary>A change of a confirmed track.</summary>
public readonly record struct TrackChange(EventKind Kind, Track Life, string? Reason, TrackSummary? Summary,
    Track? Into);
