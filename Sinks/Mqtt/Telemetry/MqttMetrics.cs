using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Messages;

namespace Dvis.Streaming.Sinks.Mqtt.Telemetry;

/// <summary>Metrics of the MQTT sink; they also update <see cref="MqttStatus"/>. Thread-safe.</summary>
internal sealed class MqttMetrics
{
    private readonly MqttStatus _status;
    private readonly Counter<long> _messages, _bytes, _connects, _commands, _disconnects, _dropped, _diskErrors;
    private readonly Histogram<double> _publish;
    private readonly Gauge<long> _connected, _disk;

    public MqttMetrics(Meter meter, MqttStatus status)
    {
        (Meter, _status) = (meter, status);
        _messages = meter.CreateCounter<long>("dvis.mqtt.messages", "{message}", "MQTT messages by kind and outcome.");
        _bytes = meter.CreateCounter<long>("dvis.mqtt.published", "By", "MQTT payload bytes handed to the client.");
        _commands = meter.CreateCounter<long>(
            "dvis.mqtt.commands", "{command}", "Commands received over MQTT by verb and result.");
        _connects = meter.CreateCounter<long>("dvis.mqtt.connects", "{connect}", "Connection attempts by outcome.");
        _disconnects = meter.CreateCounter<long>(
            "dvis.mqtt.disconnects", "{disconnect}", "Connections that ended before we did, by reason.");
        _dropped = meter.CreateCounter<long>("dvis.outbox.dropped", "{message}", "QoS 1 messages given up, by reason.");
        _diskErrors = meter.CreateCounter<long>(
            "dvis.outbox.disk.errors", "{error}", "Failures of the disk under the outbox, by reason.");
        _publish = meter.CreateHistogram(
            "dvis.mqtt.publish.duration", "s", "From publish to acknowledgement.", null, Buckets.OfStages);
        _connected = meter.CreateGauge<long>("dvis.mqtt.connected", null, "1 while the broker has accepted us.");
        _disk = meter.CreateGauge<long>(
            "dvis.outbox.disk.ok", null, "1 while the disk under the outbox takes messages; absent without one.");
        StartAtZero();
    }

    /// <summary>Meter for observable instruments.</summary>
    public Meter Meter { get; }

    /// <param name="kind"><c>state, tracks, final, masks, event, node, command</c>.</param>
    /// <param name="outcome"><c>sent, resent, acked, expired, dropped, failed</c>; only <c>resent</c> counts a message
    /// more than once.</param>
    public void Message(string kind, string outcome, long count = 1)
    {
        _messages.Add(count, Tag("kind", kind), Tag("outcome", outcome));
        _status.Count(kind, outcome, count);
    }

    public void Published(string kind, long bytes) => _bytes.Add(bytes, Tag("kind", kind));

    public void Acknowledged(double seconds) => _publish.Record(seconds, Tag("qos", "1"));

    /// <param name="verb">A known verb, or <c>other</c>.</param>
    /// <param name="result"><c>done, refused, failed, retained, rate_limited, busy</c>.</param>
    public void Command(string verb, string result) => _commands.Add(1, Tag("verb", verb), Tag("result", result));

    /// <param name="acknowledges">False when the broker accepts QoS 0 only.</param>
    public void Connected(bool connected, bool acknowledges = true)
    {
        if (connected) _status.Acknowledges = acknowledges;
        _connected.Record(connected ? 1 : 0);
        _status.Connected = connected;
    }

    /// <param name="fault">Why there is no connection to the server; null: there is.</param>
    public void Server(string server, string? fault) => _status.Attempted(server, fault);

    public void ObserveOutbox(Func<(long Messages, long Bytes)> outbox) => _status.Outbox = outbox;

    /// <param name="reason"><c>ok</c> or a snake-case reason.</param>
    public void ConnectAttempted(string reason) => _connects.Add(1, Tag("reason", reason));

    /// <inheritdoc cref="ConnectAttempted"/>
    public void Disconnected(string reason) => _disconnects.Add(1, Tag("reason", reason));

    /// <param name="reason"><c>max_age, max_bytes, memory_full</c>: limits; <c>too_large, refused, not_authorized,
    /// quota_exceeded</c>: refused by the broker; <c>corrupt, torn, unreadable</c>: damaged on disk.</param>
    public void OutboxDropped(string reason, long count = 1) => _dropped.Add(count, Tag("reason", reason));

    /// <param name="reason"><c>disk_full, read_only, denied, busy, io_error</c>.</param>
    public void OutboxDiskError(string reason, long count = 1) => _diskErrors.Add(count, Tag("reason", reason));

    public void OutboxDisk(bool healthy)
    {
        _disk.Record(healthy ? 1 : 0);
        _status.OutboxOnDisk = healthy;
    }

    /// <summary>Creates the series with known labels at 0, so that a rate over them has a beginning.</summary>
    private void StartAtZero()
    {
        foreach (var kind in Kinds.All)
        {
            foreach (var outcome in (string[])["sent", "resent", "acked", "expired", "dropped", "failed"])
                Message(kind, outcome, 0);
            Published(kind, 0);
        }

        _connects.Add(0, Tag("reason", "ok"));
        foreach (var reason in (string[])["max_age", "max_bytes", "memory_full", "too_large", "refused",
            "not_authorized", "corrupt", "torn", "unreadable"])
            OutboxDropped(reason, 0);
        OutboxDiskError("disk_full", 0);
    }

    private static KeyValuePair<string, object?> Tag(string key, string value) => new(key, value);
}
