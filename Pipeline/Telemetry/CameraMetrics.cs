using System.Diagnostics.Metrics;
using static Dvis.Streaming.Pipeline.Telemetry.PipelineMetrics;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>
/// Metrics of one camera's frames and tracks, with their names, units and tags. Counts are kept in <see cref="Tally"/>
/// and observed. Thread-safe; records after <see cref="Dispose"/> are lost.
/// </summary>
public sealed class CameraMetrics : IDisposable
{
    private readonly PipelineMetrics _all;
    private readonly KeyValuePair<string, object?> _camera;
    private readonly Counter<long> _ended, _revised, _windows, _zoneEvents;
    private readonly Histogram<double> _latency, _captureLatency;
    private readonly Gauge<long> _queueLength, _queueCapacity, _memoryClips, _mergedClips;
    private readonly Gauge<long> _tracklets, _droppedTracklets;
    private readonly Gauge<double> _finalThrough;

    internal CameraMetrics(PipelineMetrics all, string camera)
    {
        (_all, _camera, Tally) = (all, new("camera", camera), new(camera));
        // OpenTelemetry distinguishes meters of one name by their tags; without them the end of one would end all.
        var m = Meter = new Meter(new MeterOptions(PipelineMetrics.MeterName) { Scope = all, Tags = [_camera] });
        _latency = m.CreateHistogram(
            "dvis.frame.latency", "s", "From the decoded frame to the hand-over of its result.", null,
            Buckets.OfFrames);
        _captureLatency = m.CreateHistogram(
            "dvis.frame.capture_latency", "s",
            "From the estimated capture to the hand-over of the result; only with a synchronised clock.", null,
            Buckets.OfFrames);
        _ended = m.CreateCounter<long>("dvis.tracks.ended", "{track}", "Tracks ended.");
        _revised = m.CreateCounter<long>("dvis.tracks.revised", "{track}", "Revisions by final results.");
        _zoneEvents = m.CreateCounter<long>("dvis.zone.events", "{event}", "Events of zones and lines.");
        _windows = m.CreateCounter<long>("dvis.refiner.windows", "{window}", "Final results.");
        _finalThrough = m.CreateGauge<double>(
            "dvis.final_through.timestamp", "s", "Receive time (UTC) of the last frame covered by a final result.");
        _queueLength = m.CreateGauge<long>("dvis.queue.length", "{item}", "Items waiting before a stage.");
        _queueCapacity = m.CreateGauge<long>("dvis.queue.capacity", "{item}", "Items that may wait before a stage.");
        _memoryClips = m.CreateGauge<long>("dvis.memory.clips", "{clip}", "Entries in the memory of past clips.");
        _mergedClips = m.CreateGauge<long>(
            "dvis.memory.merged", "{clip}", "Past clips that share an entry with others, or were forgotten.");
        _tracklets = m.CreateGauge<long>("dvis.tracklets", "{tracklet}", "Tracklets in the association's memory.");
        _droppedTracklets = m.CreateGauge<long>(
            "dvis.tracklets.dropped", "{tracklet}", "Tracklets ended and detections refused: all slots were taken.");
        ObserveTally();
    }

    public string Camera => Tally.Name;

    /// <summary>Meter of the camera's source; ends with the camera.</summary>
    public Meter Meter { get; }

    /// <summary>Counts, for console, health and summary.</summary>
    public CameraTally Tally { get; }

    /// <summary>Starts the series with known labels at 0, so that a rate over them has a beginning.</summary>
    public void Initialize()
    {
        foreach (var reason in (string[])["rate_limit", "duplicate", "out_of_order", "stale"])
            FrameDropped("source", reason, 0);
        FrameDropped("captured", "queue_full", 0);
        FrameDropped("segment", "stale", 0);
        foreach (var kind in (string[])["class", "merge", "split", "retract", "mask"]) TrackRevised(kind, 0);
        foreach (var reason in (string[])["source_restarted", "resolution_change", "gap", "clock_jump", "command"])
            Tally.Reset(reason, 0);
        foreach (var result in (string[])["refined", "passthrough", "skipped"])
            _windows.Add(0, _camera, Tag("result", result));
        TracksActive(0);
    }

    /// <inheritdoc cref="PipelineMetrics.StageDuration"/>
    public void StageDuration(string stage, double seconds) => _all.StageDuration(stage, seconds);

    /// <param name="stage"><c>provisional</c> or <c>final</c>.</param>
    public void FramesProcessed(string stage, long count = 1) => Tally.Processed(stage, count);

    /// <param name="reason"><c>queue_full, stale, rate_limit, duplicate, out_of_order</c>.</param>
    public void FrameDropped(string stage, string reason, long count = 1) => Tally.Drop(stage, reason, count);

    public void FrameLatency(string stage, double seconds)
    {
        _latency.Record(seconds, _camera, Tag("stage", stage));
        Tally.Latency(stage).Record(seconds);
    }

    public void CaptureLatency(double seconds) => _captureLatency.Record(seconds, _camera);

    public void TrackStarted(string label) => Tally.StartTracks(_all.Bound(label), 1);

    public void TrackEnded(string label) => _ended.Add(1, _camera, Tag("label", _all.Bound(label)));

    public void TracksActive(int count) => Tally.Active = count;

    /// <param name="kind"><c>class, merge, split, retract, mask</c>.</param>
    public void TrackRevised(string kind, long count = 1) => _revised.Add(count, _camera, Tag("kind", kind));

    /// <param name="basis"><c>provisional</c> or <c>final</c>.</param>
    public void ZoneEvent(string kind, string basis) =>
        _zoneEvents.Add(1, _camera, Tag("kind", kind), Tag("basis", basis));

    public void TrackerReset(string reason) => Tally.Reset(reason, 1);

    public void WindowFinal(string result, double throughUtcSeconds)
    {
        _windows.Add(1, _camera, Tag("result", result));
        _finalThrough.Record(throughUtcSeconds, _camera);
    }

    public void MethodMemory(long clips, long merged)
    {
        _memoryClips.Record(clips, _camera);
        _mergedClips.Record(merged, _camera);
    }

    public void Tracklets(long live, long dropped)
    {
        _tracklets.Record(live, _camera);
        _droppedTracklets.Record(dropped, _camera);
    }

    public void QueueLength(string stage, long length, long capacity)
    {
        _queueLength.Record(length, _camera, Tag("stage", stage));
        _queueCapacity.Record(capacity, _camera, Tag("stage", stage));
    }

    public void Dispose() => Meter.Dispose();

    private void ObserveTally()
    {
        Meter.CreateObservableCounter<long>(
            "dvis.frames.processed",
            () => [Of(Tally.Provisional, Tag("stage", "provisional")), Of(Tally.Final, Tag("stage", "final"))],
            "{frame}", "Frames covered by a result of this stage.");
        Meter.CreateObservableCounter(
            "dvis.frames.dropped",
            () => Tally.Dropped.Select(d => Of(d.Value, Tag("stage", d.Key.Stage), Tag("reason", d.Key.Reason))),
            "{frame}", "Frames discarded, by stage and reason.");
        Meter.CreateObservableCounter(
            "dvis.tracks.started", () => Tally.TracksBy.Select(t => Of(t.Value, Tag("label", t.Key))),
            "{track}", "Tracks confirmed.");
        Meter.CreateObservableCounter(
            "dvis.tracker.resets", () => Tally.ResetsBy.Select(r => Of(r.Value, Tag("reason", r.Key))),
            "{reset}", "Epochs begun after the first.");
        Meter.CreateObservableGauge("dvis.tracks.active", () => Of(Tally.Active), "{track}", "Active tracks now.");
    }

    private Measurement<long> Of(long count, params KeyValuePair<string, object?>[] tags) =>
        new(count, [_camera, .. tags]);
}
