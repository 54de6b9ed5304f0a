using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>Stage from segmented to tracked frames, with their events. One per camera; not thread-safe.</summary>
/// <param name="method">The caller's.</param>
/// <param name="reset">Taken before each frame.</param>
public sealed class TrackStage(
    CameraSettings settings, IVideoMethod method, CameraMetrics metrics, TimeProvider time, ResetRequest reset)
{
    private readonly EpochClock _clock = new(settings.Track.ResetAfterGap, time);
    private readonly TaskReader _reader = TaskReader.For(settings);
    private readonly List<LifecycleEvent> _events = [];
    private Epoch _epoch = new("");
    private TrackManager? _tracks;
    private FrameInfo? _last;

    /// <summary>Tracks the next frame, which stays the caller's. The answer is the caller's, too.</summary>
    /// <exception cref="Inference.ModelException">The method failed.</exception>
    public TrackedFrame Track(SegmentedFrame frame)
    {
        var started = time.GetTimestamp();
        var reason = _clock.Advance(frame.Info, reset.Take());
        var ended = _tracks is null ? null : reason;
        if (reason is not null) BeginEpoch(reason);
        var dropped = _last is null ? 0 : frame.Info.FrameId - _last.FrameId - 1;
        _last = frame.Info;
        // Tracks end without frames: consumers that count them need the reason.
        if (_clock.Silence > settings.Track.LostTimeout)
            Add(EventKind.DataGap, null, dropped > 0 ? "frames_dropped" : "no_frames");
        var answer = method.Observe(frame);
        try
        {
            return Track(frame, answer, started, dropped, ended);
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>Ends the tracks with the stream, also after a failure.</summary>
    /// <returns>Events that are still to be published.</returns>
    public ImmutableArray<LifecycleEvent> End(bool failed)
    {
        _tracks?.EndAll(failed ? FinalReason.Error : FinalReason.End, failed ? "failure" : "shutdown");
        return TakeEvents();
    }

    private TrackedFrame Track(SegmentedFrame frame, QueryFrame answer, long started, long dropped, string? ended)
    {
        var (info, tracks) = (frame.Info, _tracks!);
        var geometry = MaskReader.GeometryOf(frame.Geometry, settings.Publish.MaskGrid);
        FrameReading reading;
        using (answer.MaskEmbeds) reading = _reader.Read(frame, answer, geometry, tracks, _clock.Seconds);
        if (settings.ResetEndedSlots)
            foreach (var slot in tracks.Freed) method.Release(slot);
        if (method.Tracklets is { } tracklets) metrics.Tracklets(tracklets.Live, tracklets.Dropped);
        if (method.Memory is { } memory) metrics.MethodMemory(memory.Clips, memory.Merged);

        var done = time.GetTimestamp();
        var elapsed = time.GetElapsedTime(started, done);
        metrics.StageDuration("track", elapsed.TotalSeconds);
        metrics.FramesProcessed("provisional");
        metrics.TracksActive(reading.Tracks.Length);
        var latency = new StageLatency(frame.Work.Duration.TotalMilliseconds, elapsed.TotalMilliseconds);
        var result = new ProvisionalResult(info, _epoch.Id, reading.Tracks, _epoch.FinalThrough, dropped, latency)
        {
            Scene = reading.Scene,
        };
        return new TrackedFrame(result, _epoch, geometry)
        {
            Tracked = done,
            Queries = answer,
            MaskFeatures = frame.TakeMaskFeatures(),
            Slots = tracks.SlotTracks(),
            Ended = tracks.Ended,
            Merges = tracks.Merges.RemoveAll(m => !IsPublished(m)),
            Events = TakeEvents(),
            Reset = ended,
        };
    }

    private void BeginEpoch(string reason)
    {
        if (_tracks is not null) metrics.TrackerReset(reason);
        _tracks?.EndAll(reason == "gap" ? FinalReason.Gap : FinalReason.Reset, reason);
        method.Reset();
        _reader.Reset();
        var manifest = settings.Manifest;
        _epoch = new Epoch(Ulid.New(time));
        _tracks = new TrackManager(
            _epoch, manifest.Queries, manifest.ClassCount, manifest.HiddenSize, settings.Track, Note,
            _reader.Thresholds.StartScore);
        _last = null;
    }

    private void Note(TrackChange change)
    {
        var (track, kind) = (change.Track, change.Kind);
        var label = settings.Label(track.ClassId);
        if (kind == EventKind.TrackStarted) metrics.TrackStarted(label);
        if (kind == EventKind.TrackEnded) metrics.TrackEnded(label);
        if (!track.Identity.Announced)
        {
            // The events of a track begin when its class first passes the filter, and then continue to its end.
            if (!settings.IsPublished(track.ClassId)) return;
            if (kind is not (EventKind.TrackStarted or EventKind.TrackUpdated)) return;
            kind = EventKind.TrackStarted;
        }

        // Consumers of a track need the one that it is merged into, even if the class of that one is filtered.
        if (change.Into is { Identity.Announced: false } into) Add(EventKind.TrackStarted, into, null);
        var reason = kind == EventKind.TrackStarted ? null : change.Reason;
        Add(kind, track, reason, change.Summary, change.Into?.Identity.Number);
    }

    private void Add(EventKind kind, Track? track, string? reason, TrackSummary? summary = null, long? into = null)
    {
        if (track is not null) track.Identity.Announced = true;
        _events.Add(new LifecycleEvent(
            metrics.Camera, _epoch.Id, _epoch.NextEvent(), kind, _last?.Capture.Stamp ?? time.GetUtcNow(),
            track?.Identity.Number, track?.ClassId, track?.Score, _last, reason, summary)
        { Into = into });
    }

    private bool IsPublished(IdentityChange merge)
        => _events.Exists(e => e.Kind == EventKind.TrackIdentityChanged && e.Track == merge.From[0]);

    private ImmutableArray<LifecycleEvent> TakeEvents()
    {
        ImmutableArray<LifecycleEvent> events = [.. _events];
        _events.Clear();
        return events;
    }
}
