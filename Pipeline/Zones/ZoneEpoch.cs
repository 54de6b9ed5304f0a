using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Zones;

/// <summary>
/// Zones and lines over one epoch: decided on provisional results, decided again on finals, and each provisional event
/// answered once. State is bounded by the frames that wait for a final and by the tracks that have not ended.
/// </summary>
/// <param name="emit">Makes and keeps an event; returns it.</param>
internal sealed class ZoneEpoch(string id, ZonePlan plan, Func<string, ZoneChange, ZoneFacts, LifecycleEvent> emit)
{
    private readonly ZoneMachine _provisional = new(plan), _final = new(plan);
    private readonly Queue<(FrameInfo Frame, ZoneObservation[] Seen)> _waiting = new();
    private readonly List<(long Track, long LastFrame)> _ended = [];
    private readonly List<Pending> _pending = [];
    private readonly Dictionary<long, long> _merged = []; // until the finals have merged them, too
    private FrameInfo? _finalLast;

    public string Id => id;

    public ZoneMachine Provisional => _provisional;

    public ZoneMachine Final => _final;

    /// <summary>Entries of all lists, for tests of their bounds.</summary>
    public int Held =>
        _provisional.Count + _final.Count + _waiting.Count + _ended.Count + _pending.Count + _merged.Count;

    /// <param name="ended">Tracks that ended at this frame, with the last frame that each was seen in.</param>
    public void Observe(
        FrameInfo frame, ZoneObservation[] seen, IEnumerable<IdentityChange> merges,
        IEnumerable<(long Track, long LastFrame)> ended)
    {
        foreach (var merge in merges)
        {
            foreach (var from in merge.From)
            {
                _provisional.Merge(from, merge.Into);
                _merged[from] = merge.Into;
            }
        }

        foreach (var end in ended)
        {
            _provisional.End(end.Track);
            _ended.Add(end);
        }

        foreach (var track in seen) _provisional.Observe(frame, track);
        _waiting.Enqueue((frame, seen));
        Decide(frame.FrameId);
    }

    public void Observe(FinalResult final)
    {
        // A skipped window says nothing about its frames: their provisional results stand.
        var own = final.Kind == FinalKind.Skipped ? null : Observations(final);
        var merges = final.Identity.OrderBy(m => m.AtFrame).ToList();
        foreach (var frame in final.Frames)
        {
            Merge(merges, frame.FrameId);
            ZoneObservation[] provisional = [];
            while (_waiting.TryPeek(out var next) && next.Frame.FrameId <= frame.FrameId)
                provisional = _waiting.Dequeue().Seen;
            foreach (var seen in own is null ? provisional : own[frame.FrameId]) _final.Observe(frame, seen);
            _finalLast = frame;
        }

        Merge(merges, long.MaxValue);
        foreach (var end in _ended.Where(e => e.LastFrame <= final.LastFrame)) _final.End(end.Track);
        _ended.RemoveAll(e => e.LastFrame <= final.LastFrame);
        Answer(final.LastFrame);
    }

    /// <summary>Ends the tracks of the provisional results.</summary>
    public void EndProvisional()
    {
        _provisional.EndAll();
        Decide(long.MaxValue); // the finals end these tracks with the epoch, too
    }

    /// <summary>Ends everything; what is not answered yet is answered.</summary>
    public void End()
    {
        EndProvisional();
        _final.EndAll();
        Answer(long.MaxValue);
    }

    private static ILookup<long, ZoneObservation> Observations(FinalResult final) => final.Tracks
        .SelectMany(t => t.Frames.Where(f => f.Visible)
            .Select(f => (f.FrameId, Seen: ZoneObservation.Of(t.Number, t.ClassId, f.Score, f.Box))))
        .ToLookup(f => f.FrameId, f => f.Seen);

    private void Merge(List<IdentityChange> merges, long through)
    {
        while (merges.Count > 0 && merges[0].AtFrame <= through)
        {
            Confirm(); // what was decided under the old number is answered under it
            foreach (var from in merges[0].From)
            {
                _final.Merge(from, merges[0].Into);
                for (var i = 0; i < _pending.Count; i++)
                    if (_pending[i].Track == from) _pending[i] = _pending[i] with { Track = merges[0].Into };
                _merged.Remove(from);
            }

            merges.RemoveAt(0);
        }
    }

    private void Decide(long frame)
    {
        foreach (var change in _provisional.Take())
        {
            var e = emit(id, change, Facts(change, ZoneBasis.Provisional));
            _pending.Add(new(e.Id, change.Track.Track, change, frame));
        }
    }

    private void Confirm()
    {
        foreach (var change in _final.Take())
        {
            var at = _pending.FindIndex(p => p.Change.Shape == change.Shape && p.Change.Kind == change.Kind
                && p.Change.Direction == change.Direction && Survivor(p.Track) == Survivor(change.Track.Track));
            emit(id, change, Facts(change, ZoneBasis.Final) with { Confirms = at < 0 ? null : _pending[at].Id });
            if (at >= 0) _pending.RemoveAt(at);
        }
    }

    private void Answer(long through)
    {
        Confirm();
        foreach (var left in _pending.Where(p => p.DecidedAt <= through && !IsOpen(p)).ToArray())
        {
            _pending.Remove(left);
            var kind = left.Change.Kind == EventKind.TrackLineCrossed
                ? EventKind.TrackLineRetracted : EventKind.TrackZoneRetracted;
            var change = left.Change with
            {
                Kind = kind,
                Track = left.Change.Track with { Track = Survivor(left.Track) },
                Frame = _finalLast ?? left.Change.Frame,
                DwellSeconds = null,
                Reason = null,
            };
            emit(id, change, Facts(change, ZoneBasis.Final) with { Retracts = left.Id });
        }
    }

    private bool IsOpen(Pending p) => _final.IsTurning(p.Track, p.Change.Shape, p.Change.Kind, p.Change.Direction);

    private long Survivor(long track)
    {
        while (_merged.TryGetValue(track, out var into)) track = into;
        return track;
    }

    private ZoneFacts Facts(ZoneChange change, ZoneBasis basis)
    {
        var shape = plan.Shapes[change.Shape];
        return new(shape.Name, shape.IsLine, basis, change.DwellSeconds, change.Direction, null, null);
    }

    /// <summary>A provisional event without an answer.</summary>
    /// <param name="Track">Its track by the finals so far.</param>
    /// <param name="DecidedAt">Frame id at which it was decided; the highest number: at the end of the epoch.</param>
    private sealed record Pending(string Id, long Track, ZoneChange Change, long DecidedAt);
}
