using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Zones;

/// <summary>
/// Zones and lines of one run of a camera's pipeline. No input or output; the caller serialises the calls and publishes
/// what they return, in order.
/// </summary>
public sealed class ZoneWatch(string camera, ZonePlan plan, TimeProvider time)
{
    // Finals follow provisional results by a few epochs at most: each has at least one frame that waits.
    private readonly Queue<ZoneEpoch> _epochs = new();
    private readonly List<LifecycleEvent> _events = [];
    private readonly string _series = Ulid.New(time);
    private ZoneEpoch? _current;
    private long _sequence;

    /// <summary>Entries of all lists, for tests of their bounds.</summary>
    public int Held => _epochs.Sum(e => e.Held);

    /// <summary>Tracks inside each zone now.</summary>
    public ImmutableArray<ZoneCount> Counts =>
    [
        .. plan.Shapes.Index().Where(s => !s.Item.IsLine)
            .Select(s => new ZoneCount(s.Item.Name, _current?.Provisional.Inside(s.Index).Count() ?? 0)),
    ];

    /// <summary>Tracks inside a zone by the finals of the oldest open epoch.</summary>
    public IEnumerable<long> FinalInside(string zone) =>
        _epochs.TryPeek(out var epoch)
            ? epoch.Final.Inside(plan.Shapes.Index().First(s => !s.Item.IsLine && s.Item.Name == zone).Index)
            : [];

    /// <summary>Takes a provisional result.</summary>
    /// <param name="merges">Tracks that were merged at this frame.</param>
    /// <param name="ended">Tracks that ended at this frame, with the last frame that each was seen in.</param>
    public ImmutableArray<LifecycleEvent> Observe(
        ProvisionalResult result, IEnumerable<IdentityChange> merges, IEnumerable<(long Track, long LastFrame)> ended)
    {
        if (_current?.Id != result.Epoch)
        {
            _current?.EndProvisional();
            _epochs.Enqueue(_current = new(result.Epoch, plan, Emit));
        }

        // A lost track is nowhere in the frame: it stays where it was.
        _current.Observe(
            result.Frame,
            [
                .. result.Tracks.Where(t => t.State == TrackState.Active)
                    .Select(t => ZoneObservation.Of(t.Number, t.ClassId, t.Score, t.Box)),
            ],
            merges, ended);
        return Take();
    }

    /// <summary>Takes a final result. Those of another epoch end the epochs before.</summary>
    public ImmutableArray<LifecycleEvent> Observe(FinalResult final)
    {
        while (_epochs.TryPeek(out var epoch) && epoch.Id != final.Epoch && epoch != _current) EndFirst();
        if (_epochs.TryPeek(out var own) && own.Id == final.Epoch) own.Observe(final);
        return Take();
    }

    /// <summary>Ends the epochs before this one, whose last final has been taken.</summary>
    public ImmutableArray<LifecycleEvent> EndBefore(string epoch)
    {
        while (_epochs.TryPeek(out var first) && first.Id != epoch && first != _current) EndFirst();
        return Take();
    }

    /// <summary>Ends everything with the pipeline: each provisional event is answered then.</summary>
    public ImmutableArray<LifecycleEvent> End()
    {
        while (_epochs.Count > 0) EndFirst();
        _current = null;
        return Take();
    }

    private void EndFirst() => _epochs.Dequeue().End();

    private LifecycleEvent Emit(string epoch, ZoneChange change, ZoneFacts facts)
    {
        var e = new LifecycleEvent(
            camera, epoch, ++_sequence, change.Kind, change.Frame.Capture.Stamp, change.Track.Track,
            change.Track.ClassId, change.Track.Score, change.Frame, change.Reason, null)
        { Series = _series, Zone = facts };
        _events.Add(e);
        return e;
    }

    private ImmutableArray<LifecycleEvent> Take()
    {
        ImmutableArray<LifecycleEvent> events = [.. _events];
        _events.Clear();
        return events;
    }
}
