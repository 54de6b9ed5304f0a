using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>
/// Segmented frames in, tracked frames out; on the way the provisional result and the events of each frame are published.
/// One per camera, one thread at a time.
/// </summary>
public sealed class TrackStage : IDisposable
{
    private readonly CameraContext _camera;
    private readonly ReferringTracker _tracker;
    private readonly EpochClock _clock;
    private readonly FrameTask _task;
    private readonly int _queries, _classes, _channels;
    private readonly List<PipelineMessage> _events = [];
    private Epoch _epoch = new("");
    private TrackManager? _lives;
    private FrameInfo? _last;

    public TrackStage(CameraContext camera)
    {
        var manifest = camera.Models.Manifest;
        (_queries, _classes, _channels) = (manifest.Queries, manifest.ClassCount, manifest.HiddenSize);
        _camera = camera;
        _tracker = new ReferringTracker(camera.Models, camera.Tensors);
        _clock = new EpochClock(camera.Track.ResetAfterGap, camera.Time);
        _task = FrameTask.For(camera);
    }

    public async IAsyncEnumerable<TrackedFrame> RunAsync(IAsyncEnumerable<SegmentedFrame> input)
    {
        var (reason, why) = (FinalReason.Error, "failure");
        try
        {
            await foreach (var segmented in input)
            {
                TrackedFrame tracked;
                ProvisionalResult result;
                using (segmented) (tracked, result) = Track(segmented);
                await _camera.Publisher.PublishAsync(result);
                await PublishEventsAsync();
                yield return tracked;
            }

            (reason, why) = (FinalReason.End, "shutdown");
        }
        finally
        {
            // When a stage has failed, too: who heard that a track started hears that it ended.
            _lives?.EndAll(reason, why);
            await PublishEventsAsync();
        }
    }

    public void Dispose() => _tracker.Dispose();

    private (TrackedFrame Tracked, ProvisionalResult Result) Track(SegmentedFrame frame)
    {
        var started = _camera.Time.GetTimestamp();
        var info = frame.Info;
        var reason = _clock.Advance(info, _camera.Reset.Take());
        var first = _lives is null;
        if (reason is not null) BeginEpoch(reason);
        var dropped = _last is null ? 0 : info.FrameId - _last.FrameId - 1;
        _last = info;
        if (_clock.Silence > _camera.Track.LostTimeout) NoteGap(info, dropped);
        var step = _tracker.Step(frame);
        try
        {
            return Follow(frame, step, dropped, started, first ? null : reason);
        }
        catch
        {
            step.Dispose();
            throw;
        }
    }

    private (TrackedFrame Tracked, ProvisionalResult Result) Follow(SegmentedFrame frame, TrackerStep step, long dropped, long started, string? reset)
    {
        var (info, lives) = (frame.Info, _lives!);
        using var maskEmbeds = step.MaskEmbeds;
        var geometry = MaskReader.GeometryOf(frame.Geometry, _camera.Publish.MaskGrid);
        _task.Find(step, frame.MaskFeatures, geometry);
        lives.Update(info, _clock.Seconds, _task.Candidates, _task.Probabilities, step.InstanceEmbeds.Span);
        var (shown, scene) = _task.Show(lives, step);

        var done = _camera.Time.GetTimestamp();
        var elapsed = _camera.Time.GetElapsedTime(started, done);
        var times = frame.Times;
        var latency = new StageLatency(
            Queue: _camera.Time.GetElapsedTime(info.ReceivedTicks, times.Begun).TotalMilliseconds,
            Segment: _camera.Time.GetElapsedTime(times.Begun, times.Done).TotalMilliseconds,
            Track: elapsed.TotalMilliseconds);
        _camera.Metrics.StageDuration("track", elapsed.TotalSeconds);
        _camera.Metrics.FramesProcessed("provisional");
        _camera.Metrics.TracksActive(shown.Length);
        var tracked = new TrackedFrame(info, _epoch, geometry)
        {
            Tracked = done,
            InstanceEmbeds = step.InstanceEmbeds,
            FrameEmbeds = frame.TakeFrameEmbeds(),
            MaskFeatures = frame.TakeMaskFeatures(),
            Logits = step.Logits,
            Slots = lives.SlotTracks(),
            Shown = shown,
            Scene = scene,
            Ended = lives.Ended,
            Merges = ToldMerges(lives.Merges),
            Latency = latency,
            Reset = reset,
        };
        return (tracked, new ProvisionalResult(info, _epoch.Id, shown, _epoch.FinalThrough, dropped, latency) { Scene = scene });
    }

    private void BeginEpoch(string reason)
    {
        if (_lives is not null) _camera.Metrics.TrackerReset(reason);
        _lives?.EndAll(reason == "gap" ? FinalReason.Gap : FinalReason.Reset, reason);
        _tracker.Reset();
        _task.Reset();
        _epoch = new Epoch(Ulid.New(_camera.Time));
        _lives = new TrackManager(_epoch, _queries, _classes, _channels, _camera.Track, Note, _camera.StartScore);
        _last = null;
    }

    // So long without a frame that tracks end of it: who counts them must know that nobody looked.
    private void NoteGap(FrameInfo frame, long dropped) => _events.Add(new LifecycleEvent(
        _camera.Camera, _epoch.Id, _epoch.NextEvent(), EventKind.DataGap, frame.Capture.Stamp, null, null, null, frame, dropped > 0 ? "frames_dropped" : "no_frames", null));

    private void Note(TrackChange change)
    {
        var (life, kind) = (change.Life, change.Kind);
        var label = _camera.Label(life.ClassId);
        if (kind == EventKind.TrackStarted) _camera.Metrics.TrackStarted(label);
        if (kind == EventKind.TrackEnded) _camera.Metrics.TrackEnded(label);
        if (!life.Identity.Announced)
        {
            // A track starts for the world when its class first passes the filter, and is told to its end from then on.
            if (!_camera.IsPublished(life.ClassId) || kind is not (EventKind.TrackStarted or EventKind.TrackUpdated)) return;
            kind = EventKind.TrackStarted;
        }

        // Who heard of a track must know the one it turned out to be, though its class be filtered.
        if (change.Into is { Identity.Announced: false } into) Tell(EventKind.TrackStarted, into, null, null, null);
        Tell(kind, life, kind == EventKind.TrackStarted ? null : change.Reason, change.Summary, change.Into?.Identity.Number);
    }

    private void Tell(EventKind kind, Track life, string? reason, TrackSummary? summary, long? into)
    {
        life.Identity.Announced = true;
        _events.Add(new LifecycleEvent(
            _camera.Camera, _epoch.Id, _epoch.NextEvent(), kind, _last?.Capture.Stamp ?? _camera.Time.GetUtcNow(),
            life.Identity.Number, life.ClassId, life.Score, _last, reason, summary)
        { Into = into });
    }

    /// <summary>Of the mergers of this frame those that the world was told: a track that no event named is nobody's news.</summary>
    private ImmutableArray<IdentityChange> ToldMerges(ImmutableArray<IdentityChange> merges)
        => merges.RemoveAll(m => !_events.Exists(e => e is LifecycleEvent { Kind: EventKind.TrackIdentityChanged } told && told.Track == m.From[0]));

    private async ValueTask PublishEventsAsync()
    {
        foreach (var e in _events) await _camera.Publisher.PublishAsync(e);
        _events.Clear();
    }
}
