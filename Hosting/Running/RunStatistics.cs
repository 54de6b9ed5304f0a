using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Hosting.Running;

/// <summary>
/// What this run has done so far, heard from the meter itself: the console, the health checks and the summary tell what the
/// metrics tell. Measurements arrive on the threads that make them.
/// </summary>
internal sealed class RunStatistics : IDisposable
{
    private delegate void Handler(double value, in Tags tags);

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, CameraStatistics> _cameras = new();
    private readonly ConcurrentDictionary<(string Kind, string Outcome), long> _mqtt = new();
    private readonly TimeProvider _time;
    private volatile bool _mqttConnected, _outboxOnDisk;
    private volatile FrozenSet<string>? _kept; // null: all

    public RunStatistics(PipelineMetrics metrics, TimeProvider time)
    {
        _time = time;
        var handlers = Handlers();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter, metrics.Meter) && handlers.TryGetValue(instrument.Name, out var handler)) listener.EnableMeasurementEvents(instrument, handler);
        };
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, handler) => ((Handler)handler!)(value, new Tags(tags)));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, handler) => ((Handler)handler!)(value, new Tags(tags)));
        _listener.Start();
    }

    public IEnumerable<CameraStatistics> Cameras => _cameras.Values.Where(c => IsKept(c.Name)).OrderBy(c => c.Name, StringComparer.Ordinal);

    public bool MqttConnected => _mqttConnected;

    /// <summary>What the broker has not got outlives the process.</summary>
    public bool OutboxOnDisk => _outboxOnDisk;

    public CameraStatistics Camera(string name) => _cameras.GetOrAdd(name, n => new CameraStatistics(n));

    /// <summary>Forgets all other cameras; what is still measured of them does not count.</summary>
    public void Keep(IEnumerable<string> cameras)
    {
        _kept = cameras.ToFrozenSet();
        foreach (var gone in _cameras.Keys.Where(name => !IsKept(name))) _cameras.TryRemove(gone, out _);
    }

    private bool IsKept(string name) => _kept?.Contains(name) ?? true;

    /// <summary>MQTT messages of a kind (<c>tracks, final, event, state, masks</c>) with an outcome (<c>sent, acked, expired, dropped, failed</c>).</summary>
    public long Mqtt(string kind, string outcome) => _mqtt.GetValueOrDefault((kind, outcome));

    public long Mqtt(string outcome) => _mqtt.Where(m => m.Key.Outcome == outcome).Sum(m => m.Value);

    public void Dispose() => _listener.Dispose();

    private Dictionary<string, Handler> Handlers() => new()
    {
        ["dvis.source.frames"] = (double v, in Tags t) => Camera(t["camera"]).Received((long)v, _time.GetTimestamp()),
        ["dvis.frames.processed"] = (double v, in Tags t) => Camera(t["camera"]).Processed(t["stage"], (long)v, _time.GetTimestamp()),
        ["dvis.frames.dropped"] = (double v, in Tags t) => Camera(t["camera"]).Dropped(t["reason"], (long)v),
        ["dvis.frame.latency"] = (double v, in Tags t) => Camera(t["camera"]).Latency(t["stage"]).Record(v),
        ["dvis.tracks.started"] = (double v, in Tags t) => Camera(t["camera"]).AddTracks((long)v),
        ["dvis.tracks.active"] = (double v, in Tags t) => Camera(t["camera"]).Active = (long)v,
        ["dvis.tracker.resets"] = (double v, in Tags t) => Camera(t["camera"]).AddResets((long)v),
        ["dvis.camera.state"] = (double v, in Tags t) =>
        {
            if (v > 0) Camera(t["camera"]).State = t["state"];
        },
        ["dvis.mqtt.messages"] = (double v, in Tags t) => _mqtt.AddOrUpdate((t["kind"], t["outcome"]), (long)v, (_, old) => old + (long)v),
        ["dvis.mqtt.connected"] = (double v, in Tags _) => _mqttConnected = v > 0,
        ["dvis.outbox.disk.ok"] = (double v, in Tags _) => _outboxOnDisk = v > 0,
    };

    private readonly ref struct Tags(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        private readonly ReadOnlySpan<KeyValuePair<string, object?>> _tags = tags;

        public string this[string key]
        {
            get
            {
                foreach (var tag in _tags)
                    if (tag.Key == key) return tag.Value as string ?? "";
                return "";
            }
        }
    }
}
