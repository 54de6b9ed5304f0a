using System.Diagnostics.Metrics;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>
/// Metrics of one camera's frames, tracks and state, and the counts that console and health read. Callers use verbs;
/// names, units and tags stand here. Thread-safe; what is recorded after <see cref="Dispose"/> is lost.
/// </summary>
public sealed class CameraMetrics : IDisposable
{
    private readonly PipelineMetrics _all;
    private readonly KeyValuePair<string, object?> _camera;
    private readonly Counter<long> _processed, _dropped, _started, _ended, _revised, _resets, _windows;
    private readonly Histogram<double> _latency, _captureLatency;
    private readonly Gauge<long> _up, _state, _active, _queueLength, _queueCapacity;
    private readonly Gauge<double> _finalThrough;

    internal CameraMetrics(PipelineMetrics all, string camera, TimeProvider time)
    {
        (_all, _camera, Tally) = (all, new("camera", camera), new(camera, time));
        // OpenTelemetry's SDK tells meters of one name apart by their tags; without them the end of one would end all.
        var m = Meter = new Meter(new MeterOptions(PipelineMetrics.MeterName) { Scope = all, Tags = [_camera] });
        _processed = m.CreateCounter<long>(
            "dvis.frames.processed", "{frame}", "Frames covered by a result of this stage.");
        _dropped = m.CreateCounter<long>("dvis.frames.dropped", "{frame}", "Frames discarded, by stage and reason.");
        _latency = m.CreateHistogram(
            "dvis.frame.latency", "s", "From the decoded frame to the hand-over of its result.", null,
            Buckets.OfFrames);
        _captureLatency = m.CreateHistogram(
            "dvis.frame.capture_latency", "s",
            "From the estimated capture to the hand-over of the result; only with a synchronised clock.", null,
            Buckets.OfFrames);
        _started = m.CreateCounter<long>("dvis.tracks.started", "{track}", "Tracks confirmed.");
        _ended = m.CreateCounter<long>("dvis.tracks.ended", "{track}", "Tracks ended.");
        _revised = m.CreateCounter<long>("dvis.tracks.revised", "{track}", "Revisions by final results.");
        _resets = m.CreateCounter<long>("dvis.tracker.resets", "{reset}", "Epochs begun after the first.");
        _windows = m.CreateCounter<long>("dvis.refiner.windows", "{window}", "Final results.");
        _up = m.CreateGauge<long>("dvis.camera.up", null, "1 while frames arrive.");
        _state = m.CreateGauge<long>("dvis.camera.state", null, "1 for the state the camera is in.");
        _active = m.CreateGauge<long>("dvis.tracks.active", "{track}", "Active tracks now.");
        _finalThrough = m.CreateGauge<double>(
            "dvis.final_through.timestamp", "s", "Receive time (UTC) of the last frame covered by a final result.");
        _queueLength = m.CreateGauge<long>("dvis.queue.length", "{item}", "Items waiting before a stage.");
        _queueCapacity = m.CreateGauge<long>("dvis.queue.capacity", "{item}", "Items that may wait before a stage.");
    }

    /// <summary>Words of the label <c>state</c>.</summary>
    public static IReadOnlyList<string> States { get; } = ["starting", "online", "degraded", "offline", "disabled"];

    public string Camera => Tally.Name;

    /// <summary>For what the camera's source measures; ends with the camera.</summary>
    public Meter Meter { get; }

    /// <summary>The same counts as state.</summary>
    public CameraTally Tally { get; }

    /// <summary>Starts the series whose labels are known at 0, so that a rate over them has a beginning.</summary>
    public void Initialize()
    {
        foreach (var stage in (string[])["provisional", "final"]) FramesProcessed(stage, 0);
        foreach (var reason in (string[])["rate_limit", "duplicate", "out_of_order", "stale"])
            FrameDropped("source", reason, 0);
        FrameDropped("captured", "queue_full", 0);
        FrameDropped("segment", "stale", 0);
        foreach (var kind in (string[])["class", "merge", "split", "retract", "mask"]) TrackRevised(kind, 0);
        foreach (var reason in (string[])["source_restarted", "resolution_change", "gap", "clock_jump", "command"])
            _resets.Add(0, _camera, Tag("reason", reason));
        foreach (var result in (string[])["refined", "passthrough", "skipped"])
            _windows.Add(0, _camera, Tag("result", result));
        TracksActive(0);
        StateChanged("starting");
    }

    /// <inheritdoc cref="PipelineMetrics.StageDuration"/>
    public void StageDuration(string stage, double seconds) => _all.StageDuration(stage, seconds);

    /// <param name="stage"><c>provisional</c> or <c>final</c>.</param>
    public void FramesProcessed(string stage, long count = 1)
    {
        _processed.Add(count, _camera, Tag("stage", stage));
        Tally.Processed(stage, count);
    }

    /// <param name="reason"><c>queue_full, stale, rate_limit, duplicate, out_of_order</c>.</param>
    public void FrameDropped(string stage, string reason, long count = 1)
    {
        _dropped.Add(count, _camera, Tag("stage", stage), Tag("reason", reason));
        Tally.Dropped(reason, count);
    }

    public void FrameLatency(string stage, double seconds)
    {
        _latency.Record(seconds, _camera, Tag("stage", stage));
        Tally.Latency(stage).Record(seconds);
    }

    public void CaptureLatency(double seconds) => _captureLatency.Record(seconds, _camera);

    public void TrackStarted(string label)
    {
        _started.Add(1, _camera, Tag("label", _all.Labels.Allowed(label)));
        Tally.AddTracks(1);
    }

    public void TrackEnded(string label) => _ended.Add(1, _camera, Tag("label", _all.Labels.Allowed(label)));

    public void TracksActive(int count)
    {
        _active.Record(count, _camera);
        Tally.Active = count;
    }

    /// <param name="kind"><c>class, merge, split, retract, mask</c>.</param>
    public void TrackRevised(string kind, long count = 1) => _revised.Add(count, _camera, Tag("kind", kind));

    public void TrackerReset(string reason)
    {
        _resets.Add(1, _camera, Tag("reason", reason));
        Tally.AddResets(1);
    }

    public void WindowFinal(string result, double throughUtcSeconds)
    {
        _windows.Add(1, _camera, Tag("result", result));
        _finalThrough.Record(throughUtcSeconds, _camera);
    }

    /// <param name="state">One of <see cref="States"/>.</param>
    public void StateChanged(string state)
    {
        _up.Record(state is "online" or "degraded" ? 1 : 0, _camera);
        foreach (var s in States) _state.Record(s == state ? 1 : 0, _camera, Tag("state", s));
        Tally.State = state;
    }

    public void QueueLength(string stage, long length, long capacity)
    {
        _queueLength.Record(length, _camera, Tag("stage", stage));
        _queueCapacity.Record(capacity, _camera, Tag("stage", stage));
    }

    public void Dispose() => Meter.Dispose();

    private static KeyValuePair<string, object?> Tag(string key, string value) => new(key, value);
}
