using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>Metrics and logs of what the outbox gives up and of its disk; the log has each cause once, not once per
/// message. Not thread-safe.</summary>
internal sealed partial class OutboxReport(MqttMetrics metrics, TimeProvider time, ILogger logger)
{
    // There are few topics; an outbox of a larger configuration may bring more.
    private const int MaxTopics = 10_000;

    private readonly RepeatedReport _logDrops = new(time);
    private long _unloggedDrops;
    private readonly Dictionary<string, string> _refused = [];
    private StoreFault? _diskFault;

    public void Dropped(OutboxEntry entry, string reason)
    {
        metrics.OutboxDropped(reason);
        metrics.Message(entry.Topic.Kind, reason == "max_age" ? "expired" : "dropped");
        _unloggedDrops++;
        if (!_logDrops.Pass()) return;
        LogDropped(_unloggedDrops, reason);
        _unloggedDrops = 0;
    }

    /// <summary>Reports a message that the broker refuses for good.</summary>
    public void Refused(MqttTopic topic, int bytes, string reason)
    {
        metrics.OutboxDropped(reason);
        metrics.Message(topic.Kind, "failed");
        if (IsFirst(topic, reason)) LogRefused(topic.Name, bytes, reason);
    }

    /// <summary>Reports a message that the broker refuses for now.</summary>
    public void Held(OutboxEntry entry, string reason)
    {
        if (!entry.Refused) metrics.Message(entry.Topic.Kind, "failed");
        entry.Refused = true;
        if (IsFirst(entry.Topic, reason)) LogHeld(entry.Topic.Name, reason);
    }

    /// <summary>Counts an acknowledged message; the next refusal of its topic is logged again.</summary>
    public void Accepted(OutboxEntry entry)
    {
        if (entry.Acknowledged) return;
        entry.Acknowledged = true;
        metrics.Message(entry.Topic.Kind, "acked");
        _refused.Remove(entry.Topic.Name);
    }

    public void Left(OutboxStore store)
    {
        if (store.Unread > 0) LogLeft(store.Unread, store.UnreadBytes);
    }

    public void Damaged(string reason, long count)
    {
        metrics.OutboxDropped(reason, count);
        LogDamaged(count, reason);
    }

    public void DiskFailed(StoreFault fault, Exception e)
    {
        metrics.OutboxDiskError(EnumName.Of(fault));
        if (_diskFault == fault) return;
        _diskFault = fault;
        LogDiskFailed(fault, e.Message);
    }

    /// <summary>Reports the state of the disk; called regularly.</summary>
    public void DiskState(bool healthy)
    {
        metrics.OutboxDisk(healthy);
        if (!healthy || _diskFault is null) return;
        _diskFault = null;
        LogDiskHealthy();
    }

    private bool IsFirst(MqttTopic topic, string reason)
    {
        if (_refused.GetValueOrDefault(topic.Name) == reason) return false;
        if (_refused.Count >= MaxTopics) _refused.Clear();
        _refused[topic.Name] = reason;
        return true;
    }

    [LoggerMessage(3003, LogLevel.Warning,
        "The MQTT outbox is over its limit: dropped {Count} message(s), oldest first ({Reason}).")]
    private partial void LogDropped(long count, string reason);

    [LoggerMessage(3005, LogLevel.Error, "The broker refuses messages for {Topic} ({Bytes} bytes): {Reason}.")]
    private partial void LogRefused(string topic, int bytes, string reason);

    [LoggerMessage(3014, LogLevel.Error,
        "The broker refuses messages for {Topic}: {Reason}. They wait, and are tried again.")]
    private partial void LogHeld(string topic, string reason);

    [LoggerMessage(3007, LogLevel.Information,
        "{Count} message(s) of an earlier run wait in the outbox, {Bytes} bytes; they are sent first.")]
    private partial void LogLeft(int count, long bytes);

    [LoggerMessage(3008, LogLevel.Warning,
        "{Count} message(s) in the outbox folder are damaged ({Reason}) and were left out.")]
    private partial void LogDamaged(long count, string reason);

    [LoggerMessage(3009, LogLevel.Error,
        "The disk of the outbox failed: {Fault}: {Detail} Messages wait in memory until it works again.")]
    private partial void LogDiskFailed(StoreFault fault, string detail);

    [LoggerMessage(3012, LogLevel.Information, "The disk of the outbox works again.")]
    private partial void LogDiskHealthy();
}
