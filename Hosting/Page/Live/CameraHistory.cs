using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>Track of a camera over its life.</summary>
/// <param name="Box">x, y, width, height in source pixels; null when it is out of sight.</param>
/// <param name="Final">True when no final result will change it any more.</param>
internal sealed record TrackRecord(
    string Id, string Label, int ClassId, double Score, string State, long FirstFrame, long LastFrame,
    DateTime FirstSeen, DateTime LastSeen, double[]? Box, bool Final);

/// <summary>Event of a track or a camera.</summary>
/// <param name="Kind">For example <c>track.started</c>.</param>
/// <param name="Track">Id; null for an event of the camera.</param>
/// <param name="Shape">Zone or line that it is about; null for other events.</param>
internal sealed record EventRecord(
    string Id, DateTime Time, string Kind, string Camera, string? Track, string? Label, double? Score, long? Frame,
    string? Reason, ShapeRecord? Shape)
{
    public static EventRecord Of(LifecycleEvent e, ModelManifest? model) => new(
        e.Id, e.Time.UtcDateTime, KindOf(e.Kind), e.Camera,
        e.Track is { } number ? TrackIds.Of(e.Epoch, number) : null,
        e.ClassId is { } classId ? model?.Classes[classId].Name : null,
        e.Score is { } score ? LiveJson.Score(score) : null, e.Frame?.FrameId, e.Reason,
        e.Zone is { } zone ? ShapeRecord.Of(zone) : null);

    // track_started is track.started, track_identity_changed is track.identity_changed.
    private static string KindOf(EventKind kind)
    {
        var parts = EnumName.Of(kind).Split('_', 2);
        return $"{parts[0]}.{parts[1]}";
    }
}

/// <summary>Facts of an event of a zone or line, as in <c>schemas/event.schema.json</c>.</summary>
/// <param name="Type"><c>zone</c> or <c>line</c>.</param>
internal sealed record ShapeRecord(
    string Name, string Type, string Basis, double? DwellS, string? Direction, string? Confirms, string? Retracts)
{
    public static ShapeRecord Of(ZoneFacts facts) => new(
        facts.Name, facts.IsLine ? "line" : "zone", EnumName.Of(facts.Basis),
        facts.DwellSeconds is { } dwell ? LiveJson.Tenths(dwell) : null,
        facts.Direction is { } direction ? EnumName.Of(direction) : null, facts.Confirms, facts.Retracts);
}

/// <summary>Tracks of a camera that live or have ended within a minute, and its last events. Thread-safe.</summary>
internal sealed class CameraHistory(TimeProvider time)
{
    private const int MaxEvents = 100, MaxTracks = 200;
    private static readonly TimeSpan s_kept = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new(); // around the fields below
    private readonly Queue<EventRecord> _events = new();
    private readonly Dictionary<string, Entry> _tracks = [];
    private long _nextOrder;

    /// <summary>Newest first.</summary>
    public EventRecord[] Events
    {
        get
        {
            lock (_gate) return [.. _events.Reverse()];
        }
    }

    /// <summary>Newest first.</summary>
    public TrackRecord[] Tracks
    {
        get
        {
            lock (_gate)
            {
                Trim();
                return [.. _tracks.Values.OrderByDescending(e => e.Order).Select(e => e.Track)];
            }
        }
    }

    public void Add(ProvisionalResult result, ModelManifest model)
    {
        lock (_gate)
        {
            var (frame, seen) = (result.Frame.FrameId, result.Frame.Capture.Stamp.UtcDateTime);
            foreach (var t in result.Tracks)
            {
                var id = TrackIds.Of(result.Epoch, t.Number);
                var old = _tracks.GetValueOrDefault(id);
                var track = new TrackRecord(
                    id, model.Classes[t.ClassId].Name, t.ClassId, LiveJson.Score(t.Score), EnumName.Of(t.State),
                    old?.Track.FirstFrame ?? frame, frame, old?.Track.FirstSeen ?? seen, seen,
                    t.Mask is null ? null : LiveJson.Box(t.Box), Final: false);
                if (old is null) _tracks[id] = new(track, _nextOrder++);
                else old.Track = track;
            }

            if (_tracks.Count > MaxTracks) Trim();
        }
    }

    public void Add(LifecycleEvent e, EventRecord record)
    {
        lock (_gate)
        {
            if (_events.Count == MaxEvents) _events.Dequeue();
            _events.Enqueue(record);
            if (e.Zone is not null) return; // finals of earlier frames would give the track an earlier class
            if (record.Track is not { } id || !_tracks.TryGetValue(id, out var entry)) return;
            entry.Track = After(entry.Track, e.Kind) with
            {
                Label = record.Label ?? entry.Track.Label,
                ClassId = e.ClassId ?? entry.Track.ClassId,
            };
            if (e.Kind is EventKind.TrackEnded or EventKind.TrackIdentityChanged) entry.Ended = time.GetTimestamp();
        }
    }

    private static TrackRecord After(TrackRecord track, EventKind kind) => kind switch
    {
        EventKind.TrackLost => track with { State = EnumName.Of(TrackState.Lost), Box = null },
        EventKind.TrackEnded or EventKind.TrackIdentityChanged =>
            track with { State = EnumName.Of(TrackState.Ended), Box = null },
        EventKind.TrackFinalized => track with { Final = true },
        _ => track,
    };

    /// <summary>Removes tracks that ended long ago, then the oldest; under the lock.</summary>
    private void Trim()
    {
        foreach (var (id, entry) in _tracks.Where(t => t.Value.Ended is { } at && time.GetElapsedTime(at) > s_kept)
            .ToList()) _tracks.Remove(id);
        foreach (var (id, _) in _tracks.OrderBy(t => t.Value.Ended is null).ThenBy(t => t.Value.Order)
            .Take(_tracks.Count - MaxTracks).ToList()) _tracks.Remove(id);
    }

    private sealed class Entry(TrackRecord track, long order)
    {
        public long Order => order;

        public TrackRecord Track { get; set; } = track;

        /// <summary>Timestamp of the end; null while it lasts.</summary>
        public long? Ended { get; set; }
    }
}
