using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Zones;

/// <summary>Where the tracks of one epoch are, by the results of one basis. Pure; one thread.</summary>
public sealed class ZoneMachine(ZonePlan plan)
{
    public const string TrackEnded = "track_ended";

    private readonly Dictionary<long, Presence> _tracks = [];
    private readonly List<ZoneChange> _changes = [];

    /// <summary>Tracks that have a state.</summary>
    public int Count => _tracks.Count;

    /// <summary>Changes since the last call.</summary>
    public ZoneChange[] Take()
    {
        ZoneChange[] changes = [.. _changes];
        _changes.Clear();
        return changes;
    }

    /// <summary>Numbers of the tracks inside a zone.</summary>
    public IEnumerable<long> Inside(int shape) => _tracks.Where(t => t.Value.Places[shape].Inside).Select(t => t.Key);

    public void Observe(FrameInfo frame, ZoneObservation seen)
    {
        if (!_tracks.TryGetValue(seen.Track, out var track))
            _tracks[seen.Track] = track = new(new Place[plan.Shapes.Length]);
        for (var i = 0; i < track.Places.Length; i++)
        {
            var shape = plan.Shapes[i];
            var anchor = shape.Convert(seen.Anchor, frame.Width, frame.Height);
            if (shape.IsLine) track.Places[i] = Line(i, track.Places[i], frame, seen, anchor);
            else track.Places[i] = Zone(i, track.Places[i], frame, seen, anchor);
        }

        (track.Last, track.LastFrame) = (seen, frame);
    }

    /// <summary>Ends a track: it leaves the zones that it is in at its last observation.</summary>
    public void End(long number)
    {
        if (!_tracks.Remove(number, out var track)) return;
        for (var i = 0; i < track.Places.Length; i++)
            if (track.Places[i] is { Inside: true } place)
                Add(i, EventKind.TrackZoneLeft, track.Last, track.LastFrame!, Dwell(place, track.LastFrame!), null,
                    TrackEnded);
    }

    public void EndAll()
    {
        foreach (var number in _tracks.Keys.Order().ToArray()) End(number);
    }

    /// <summary>Gives a track's state to the track that it turned out to be: that one is inside where either was, and
    /// counts its observations on a new side of a zone from 0.</summary>
    public void Merge(long from, long into)
    {
        if (from == into || !_tracks.Remove(from, out var gone)) return;
        if (!_tracks.TryGetValue(into, out var kept)) _tracks[into] = kept = gone;
        var newer = gone.LastFrame!.FrameId > kept.LastFrame!.FrameId ? gone : kept;
        for (var i = 0; i < kept.Places.Length; i++)
        {
            if (plan.Shapes[i].IsLine)
            {
                kept.Places[i] = newer.Places[i];
                continue;
            }

            var (a, b) = (kept.Places[i], gone.Places[i]);
            var entered = new[] { a, b }.Where(p => p.Inside).Select(p => p.Entered).MinBy(f => f!.FrameId);
            kept.Places[i] = new() { Inside = a.Inside || b.Inside, Entered = entered };
        }

        (kept.Last, kept.LastFrame) = (newer.Last with { Track = into }, newer.LastFrame);
    }

    /// <summary>True while observations of a track lead towards this change and are not yet enough.</summary>
    public bool IsTurning(long track, int shape, EventKind kind, LineDirection? direction)
    {
        if (!_tracks.TryGetValue(track, out var presence)) return false;
        var place = presence.Places[shape];
        if (place.Streak == 0) return false;
        return kind switch
        {
            EventKind.TrackZoneEntered => !place.Inside,
            EventKind.TrackZoneLeft => place.Inside,
            _ => place.Crossed && direction == Direction(-place.Side),
        };
    }

    private Place Zone(int index, Place place, FrameInfo frame, ZoneObservation seen, PlanePoint anchor)
    {
        var shape = plan.Shapes[index];
        var inside = shape.Counts(seen.ClassId) && PlaneGeometry.Contains(shape.Points, anchor);
        if (inside == place.Inside) return place with { Streak = 0, Since = null };
        var since = place.Since ?? frame;
        if (place.Streak + 1 < shape.Inertia) return place with { Streak = place.Streak + 1, Since = since };
        if (inside) Add(index, EventKind.TrackZoneEntered, seen, since);
        else Add(index, EventKind.TrackZoneLeft, seen, since, Dwell(place, since));
        return new() { Inside = inside, Entered = inside ? since : null };
    }

    private Place Line(int index, Place place, FrameInfo frame, ZoneObservation seen, PlanePoint anchor)
    {
        var shape = plan.Shapes[index];
        // A class that does not count has no way: what follows is not a crossing.
        if (!shape.Counts(seen.ClassId)) return default;
        var side = Math.Sign(PlaneGeometry.Side(shape.Points[0], shape.Points[1], anchor));
        var next = place with { Before = anchor };
        if (side == 0) return next; // on the line is not yet beyond it
        if (place.Side == 0) return next with { Side = side };
        if (side == place.Side) return next with { Streak = 0, Since = null, Crossed = false };
        if (place.Streak == 0)
        {
            var crossed = PlaneGeometry.Intersect(place.Before!.Value, anchor, shape.Points[0], shape.Points[1]);
            next = next with { Since = frame, Crossed = crossed };
        }

        next = next with { Streak = place.Streak + 1 };
        if (next.Streak < shape.Inertia) return next;
        if (next.Crossed) Add(index, EventKind.TrackLineCrossed, seen, next.Since!, null, Direction(side));
        return new() { Side = side, Before = anchor };
    }

    private void Add(
        int shape, EventKind kind, ZoneObservation seen, FrameInfo frame, double? dwell = null,
        LineDirection? direction = null, string? reason = null) =>
        _changes.Add(new(shape, kind, seen, frame, dwell, direction, reason));

    private static double Dwell(Place place, FrameInfo left) =>
        Math.Max(0, (left.Capture.Stamp - place.Entered!.Capture.Stamp).TotalSeconds);

    private static LineDirection Direction(int newSide) =>
        newSide > 0 ? LineDirection.LeftToRight : LineDirection.RightToLeft;

    /// <summary>Where a track is to one shape; the fields of lines are the last three.</summary>
    private readonly record struct Place(
        bool Inside, FrameInfo? Entered, int Streak, FrameInfo? Since, int Side, PlanePoint? Before, bool Crossed);

    private sealed class Presence(Place[] places)
    {
        public Place[] Places => places;

        public ZoneObservation Last { get; set; }

        public FrameInfo? LastFrame { get; set; }
    }
}
