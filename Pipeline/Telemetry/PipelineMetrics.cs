using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>
/// The one meter. Callers use verbs; names, units and tags stand here. Names are chosen so that the Prometheus name is the
/// instrument's with dots as underscores, the unit spelled out and <c>_total</c> on counters.
/// </summary>
public sealed class PipelineMetrics
{
    public const string MeterName = "Dvis.Streaming";

    private readonly ConcurrentDictionary<string, byte> _labels = new();
    private readonly Counter<long> _sourceFrames, _sourceBytes, _reconnects, _decodeErrors, _processed, _dropped;
    private readonly Counter<long> _started, _ended, _revised, _resets, _windows, _mqttMessages, _mqttBytes, _mqttConnects, _mqttCommands, _mqttDisconnects, _outboxDropped, _outboxErrors, _sinkDropped, _sinkFailures;
    private readonly Histogram<double> _latency, _captureLatency, _stage, _stageQueue, _batch, _mqttPublish;
    private readonly Gauge<long> _up, _state, _active, _mqttConnected, _outboxDisk, _queueLength, _queueCapacity, _clockKnown;
    private readonly Gauge<double> _lastFrame, _clockOffset, _finalThrough;

    public PipelineMetrics(IMeterFactory factory)
    {
        var m = factory.Create(MeterName);
        Meter = m;
        _sourceFrames = m.CreateCounter<long>("dvis.source.frames", "{frame}", "Frames decoded.");
        _sourceBytes = m.CreateCounter<long>("dvis.source.received", "By", "Decoded bytes read from the source.");
        _reconnects = m.CreateCounter<long>("dvis.source.reconnects", "{attempt}", "Source sessions started again, by the reason the previous one ended.");
        _decodeErrors = m.CreateCounter<long>("dvis.source.decode_errors", "{error}", "Errors the decoder reported.");
        _processed = m.CreateCounter<long>("dvis.frames.processed", "{frame}", "Frames covered by a result of this stage.");
        _dropped = m.CreateCounter<long>("dvis.frames.dropped", "{frame}", "Frames discarded, by stage and reason.");
        _latency = m.CreateHistogram("dvis.frame.latency", "s", "From the decoded frame to the hand-over of its result.", null, Buckets(final: true));
        _captureLatency = m.CreateHistogram("dvis.frame.capture_latency", "s", "From the estimated capture to the hand-over of the result; only with a synchronised clock.", null, Buckets(final: true));
        _stage = m.CreateHistogram("dvis.stage.duration", "s", "Work of one stage on one frame (refine: one window).", null, Buckets(final: false));
        _stageQueue = m.CreateHistogram("dvis.stage.queue.duration", "s", "Wait of a frame before a stage.", null, Buckets(final: false));
        _batch = m.CreateHistogram("dvis.inference.batch_size", "{frame}", "Frames a segmenter call.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32] });
        _started = m.CreateCounter<long>("dvis.tracks.started", "{track}", "Tracks confirmed.");
        _ended = m.CreateCounter<long>("dvis.tracks.ended", "{track}", "Tracks ended.");
        _revised = m.CreateCounter<long>("dvis.tracks.revised", "{track}", "Revisions by final results.");
        _resets = m.CreateCounter<long>("dvis.tracker.resets", "{reset}", "Epochs begun after the first.");
        _windows = m.CreateCounter<long>("dvis.refiner.windows", "{window}", "Final results.");
        _mqttMessages = m.CreateCounter<long>("dvis.mqtt.messages", "{message}", "MQTT messages by kind and outcome.");
        _mqttBytes = m.CreateCounter<long>("dvis.mqtt.published", "By", "MQTT payload bytes handed to the client.");
        _mqttCommands = m.CreateCounter<long>("dvis.mqtt.commands", "{command}", "Commands received over MQTT by verb and result.");
        _mqttConnects = m.CreateCounter<long>("dvis.mqtt.connects", "{connect}", "Connection attempts by outcome.");
        _mqttDisconnects = m.CreateCounter<long>("dvis.mqtt.disconnects", "{disconnect}", "Connections that ended before we did, by reason.");
        _outboxDropped = m.CreateCounter<long>("dvis.outbox.dropped", "{message}", "QoS 1 messages given up, by reason.");
        _outboxErrors = m.CreateCounter<long>("dvis.outbox.disk.errors", "{error}", "Failures of the disk under the outbox, by reason.");
        _mqttPublish = m.CreateHistogram("dvis.mqtt.publish.duration", "s", "From publish to acknowledgement.", null, Buckets(final: false));
        _sinkDropped = m.CreateCounter<long>("dvis.sink.dropped", "{message}", "Messages a full sink queue shed.");
        _sinkFailures = m.CreateCounter<long>("dvis.sink.failures", "{failure}", "Publish calls that threw.");
        _up = m.CreateGauge<long>("dvis.camera.up", null, "1 while frames arrive.");
        _state = m.CreateGauge<long>("dvis.camera.state", null, "1 for the state the camera is in.");
        _active = m.CreateGauge<long>("dvis.tracks.active", "{track}", "Active tracks now.");
        _lastFrame = m.CreateGauge<double>("dvis.source.last_frame.timestamp", "s", "UTC of the last decoded frame.");
        _clockOffset = m.CreateGauge<double>("dvis.source.clock.offset", "s", "Our clock less the camera's, when last known.");
        _clockKnown = m.CreateGauge<long>("dvis.source.clock.synchronized", null, "1 while the capture times of the camera are known with a bound of the error.");
        _finalThrough = m.CreateGauge<double>("dvis.final_through.timestamp", "s", "Receive time (UTC) of the last frame covered by a final result.");
        _mqttConnected = m.CreateGauge<long>("dvis.mqtt.connected", null, "1 while the broker has accepted us.");
        _outboxDisk = m.CreateGauge<long>("dvis.outbox.disk.ok", null, "1 while the disk under the outbox takes messages; absent without one.");
        _queueLength = m.CreateGauge<long>("dvis.queue.length", "{item}", "Items waiting before a stage.");
        _queueCapacity = m.CreateGauge<long>("dvis.queue.capacity", "{item}", "Items that may wait before a stage.");
    }

    /// <summary>Words of the label <c>state</c>.</summary>
    public static IReadOnlyList<string> CameraStates { get; } = ["starting", "online", "degraded", "offline", "disabled"];

    /// <summary>Different values of the label <c>label</c>; what comes later counts as <c>other</c>.</summary>
    public int LabelsMax { get; set; } = 20;

    /// <summary>For observable instruments of the host (pools, build info).</summary>
    public Meter Meter { get; }

    /// <summary>Starts the series of a camera whose labels are known at 0, so that a rate over them has a beginning.</summary>
    public void Initialize(string camera)
    {
        _sourceFrames.Add(0, Tag("camera", camera));
        _sourceBytes.Add(0, Tag("camera", camera));
        _decodeErrors.Add(0, Tag("camera", camera));
        foreach (var stage in (ReadOnlySpan<string>)["provisional", "final"]) FramesProcessed(camera, stage, 0);
        foreach (var reason in (ReadOnlySpan<string>)["rate_limit", "duplicate", "out_of_order", "stale"]) FrameDropped(camera, "source", reason, 0);
        FrameDropped(camera, "captured", "queue_full", 0);
        FrameDropped(camera, "segment", "stale", 0);
        foreach (var kind in (ReadOnlySpan<string>)["class", "merge", "split", "retract", "mask"]) TrackRevised(camera, kind, 0);
        foreach (var reason in (ReadOnlySpan<string>)["source_restarted", "resolution_change", "gap", "clock_jump", "command"]) _resets.Add(0, Tag("camera", camera), Tag("reason", reason));
        foreach (var result in (ReadOnlySpan<string>)["refined", "passthrough", "skipped"]) _windows.Add(0, Tag("camera", camera), Tag("result", result));
        TracksActive(camera, 0);
        SourceClock(camera, null);
        CameraStateChanged(camera, "starting", CameraStates);
    }

    /// <summary>As <see cref="Initialize"/>, for the series of MQTT.</summary>
    public void InitializeMqtt()
    {
        foreach (var kind in (ReadOnlySpan<string>)["state", "tracks", "final", "masks", "event"])
        {
            foreach (var outcome in (ReadOnlySpan<string>)["sent", "resent", "acked", "expired", "dropped", "failed"]) MqttMessage(kind, outcome, 0);
            MqttPublished(kind, 0);
        }

        _mqttConnects.Add(0, Tag("reason", "ok"));
        foreach (var reason in (ReadOnlySpan<string>)["max_age", "max_bytes", "memory_full", "too_large", "refused", "not_authorized", "corrupt", "torn", "unreadable"]) OutboxDropped(reason, 0);
        OutboxDiskError("disk_full", 0);
    }

    public void FrameReceived(string camera, long bytes, double utcSeconds)
    {
        _sourceFrames.Add(1, new KeyValuePair<string, object?>("camera", camera));
        _sourceBytes.Add(bytes, new KeyValuePair<string, object?>("camera", camera));
        _lastFrame.Record(utcSeconds, new KeyValuePair<string, object?>("camera", camera));
    }

    /// <param name="offset">Our clock less the camera's in seconds; null while it is not known.</param>
    public void SourceClock(string camera, double? offset)
    {
        _clockKnown.Record(offset is null ? 0 : 1, new KeyValuePair<string, object?>("camera", camera));
        if (offset is { } seconds) _clockOffset.Record(seconds, new KeyValuePair<string, object?>("camera", camera));
    }

    /// <summary>A session was started again; <paramref name="reason"/> is the fault that ended the last one.</summary>
    public void SourceReconnected(string camera, string reason) => _reconnects.Add(1, Tag("camera", camera), Tag("reason", reason));

    public void DecodeErrors(string camera, long count) => _decodeErrors.Add(count, Tag("camera", camera));

    /// <param name="stage"><c>provisional</c> or <c>final</c>.</param>
    public void FramesProcessed(string camera, string stage, long count = 1) => _processed.Add(count, Tag("camera", camera), Tag("stage", stage));

    /// <param name="reason"><c>queue_full, stale, rate_limit, duplicate, out_of_order</c>.</param>
    public void FrameDropped(string camera, string stage, string reason, long count = 1)
        => _dropped.Add(count, Tag("camera", camera), Tag("stage", stage), Tag("reason", reason));

    public void FrameLatency(string camera, string stage, double seconds) => _latency.Record(seconds, Tag("camera", camera), Tag("stage", stage));

    public void CaptureLatency(string camera, double seconds) => _captureLatency.Record(seconds, Tag("camera", camera));

    /// <param name="stage"><c>decode, preprocess, segment, track, refine, encode, publish</c>.</param>
    public void StageDuration(string stage, double seconds) => _stage.Record(seconds, Tag("stage", stage));

    public void StageQueued(string stage, double seconds) => _stageQueue.Record(seconds, Tag("stage", stage));

    public void BatchRun(string model, int size) => _batch.Record(size, Tag("model", model));

    public void TrackStarted(string camera, string label) => _started.Add(1, Tag("camera", camera), Tag("label", Allowed(label)));

    public void TrackEnded(string camera, string label) => _ended.Add(1, Tag("camera", camera), Tag("label", Allowed(label)));

    public void TracksActive(string camera, int count) => _active.Record(count, Tag("camera", camera));

    /// <param name="kind"><c>class, merge, split, retract, mask</c>.</param>
    public void TrackRevised(string camera, string kind, long count = 1) => _revised.Add(count, Tag("camera", camera), Tag("kind", kind));

    public void TrackerReset(string camera, string reason) => _resets.Add(1, Tag("camera", camera), Tag("reason", reason));

    public void WindowFinal(string camera, string result, double throughUtcSeconds)
    {
        _windows.Add(1, Tag("camera", camera), Tag("result", result));
        _finalThrough.Record(throughUtcSeconds, Tag("camera", camera));
    }

    public void CameraStateChanged(string camera, string state, IEnumerable<string> allStates)
    {
        _up.Record(state is "online" or "degraded" ? 1 : 0, Tag("camera", camera));
        foreach (var s in allStates) _state.Record(s == state ? 1 : 0, Tag("camera", camera), Tag("state", s));
    }

    public void QueueLength(string camera, string stage, long length, long capacity)
    {
        _queueLength.Record(length, Tag("camera", camera), Tag("stage", stage));
        _queueCapacity.Record(capacity, Tag("camera", camera), Tag("stage", stage));
    }

    /// <param name="kind"><c>state, tracks, final, masks, event</c>.</param>
    /// <param name="outcome"><c>sent, resent, acked, expired, dropped, failed</c>: a message counts once in each but <c>resent</c>.</param>
    public void MqttMessage(string kind, string outcome, long count = 1) => _mqttMessages.Add(count, Tag("kind", kind), Tag("outcome", outcome));

    public void MqttPublished(string kind, long bytes) => _mqttBytes.Add(bytes, Tag("kind", kind));

    public void MqttAcknowledged(int qos, double seconds) => _mqttPublish.Record(seconds, Tag("qos", qos.ToString(System.Globalization.CultureInfo.InvariantCulture)));

    /// <param name="verb">Of those there are; else <c>other</c>.</param>
    /// <param name="result"><c>done, refused, failed, retained, rate_limited, busy</c>.</param>
    public void MqttCommand(string verb, string result) => _mqttCommands.Add(1, Tag("verb", verb), Tag("result", result));

    public void MqttConnection(bool connected) => _mqttConnected.Record(connected ? 1 : 0);

    /// <param name="reason"><c>ok</c> or a snake-case reason.</param>
    public void MqttConnect(string reason) => _mqttConnects.Add(1, Tag("reason", reason));

    /// <inheritdoc cref="MqttConnect"/>
    public void MqttDisconnect(string reason) => _mqttDisconnects.Add(1, Tag("reason", reason));

    /// <param name="reason">
    /// <c>max_age, max_bytes, memory_full</c>: limits; <c>too_large, refused, not_authorized, quota_exceeded</c>: the broker does not take it;
    /// <c>corrupt, torn, unreadable</c>: damaged on disk.
    /// </param>
    public void OutboxDropped(string reason, long count = 1) => _outboxDropped.Add(count, Tag("reason", reason));

    /// <param name="reason"><c>disk_full, read_only, denied, busy, io_error</c>.</param>
    public void OutboxDiskError(string reason, long count = 1) => _outboxErrors.Add(count, Tag("reason", reason));

    public void OutboxDisk(bool healthy) => _outboxDisk.Record(healthy ? 1 : 0);

    public void SinkDropped(string sink, string reason) => _sinkDropped.Add(1, Tag("sink", sink), Tag("reason", reason));

    public void SinkFailed(string sink) => _sinkFailures.Add(1, Tag("sink", sink));

    private string Allowed(string label)
    {
        if (_labels.ContainsKey(label)) return label;
        if (_labels.Count >= LabelsMax) return "other";
        _labels.TryAdd(label, 0);
        return label;
    }

    private static KeyValuePair<string, object?> Tag(string key, string value) => new(key, value);

    private static InstrumentAdvice<double> Buckets(bool final) => new()
    {
        HistogramBucketBoundaries = final
            ? [.005, .01, .02, .033, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 10, 20, 30]
            : [.0005, .001, .002, .005, .01, .02, .033, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 10],
    };
}
