using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>Tells people and metrics what the outbox gave up and how its disk does; in the log once,
/// not once a message. Not thread-safe.</summary>
internal sealed partial class OutboxReport(MqttMetrics metrics, TimeProvider time, ILogger logger)
{
    // Topics are ours, and few; a replay of a larger configuration may bring more.
    private const int MaxTopics = 10_000;

    private readonly DropTally _drops = new(time);
    private readonly Dictionary<string, string> _refused = [];
    private StoreFault? _diskFault;

    public void Dropped(OutboxEntry entry, string reason)
    {
        metrics.OutboxDropped(reason);
        metrics.Message(entry.Topic.Kind, reason == "max_age" ? "expired" : "dropped");
        if (_drops.Add(1) is > 0 and var count) LogDropped(count, reason);
    }

    /// <summary>The broker does not take it, and would not take it again.</summary>
    public void Refused(MqttTopic topic, int bytes, string reason)
    {
        metrics.OutboxDropped(reason);
        metrics.Message(topic.Kind, "failed");
        if (IsNews(topic, reason)) LogRefused(topic.Name, bytes, reason);
    }

    /// <summary>The broker does not take it now, and it will be asked again.</summary>
    public void Held(OutboxEntry entry, string reason)
    {
        if (!entry.Refused) metrics.Message(entry.Topic.Kind, "failed");
        entry.Refused = true;
        if (IsNews(entry.Topic, reason)) LogHeld(entry.Topic.Name, reason);
    }

    /// <summary>The broker takes the topic; the next refusal is news again.</summary>
    public void Accepted(MqttTopic topic)
    {
        if (_refused.Count > 0) _refused.Remove(topic.Name);
    }

    private bool IsNews(MqttTopic topic, string reason)
    {
        if (_refused.GetValueOrDefault(topic.Name) == reason) return false;
        if (_refused.Count >= MaxTopics) _refused.Clear();
        _refused[topic.Name] = reason;
        return true;
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

    /// <summary>Called from time to time.</summary>
    public void DiskState(bool healthy)
    {
        metrics.OutboxDisk(healthy);
        if (!healthy || _diskFault is null) return;
        _diskFault = null;
        LogDiskHealthy();
    }

    [LoggerMessage(3003, LogLevel.Warning,
        "The MQTT outbox is over its limit: dropped {Count} message(s), oldest first ({Reason}).")]
    private partial void LogDropped(long count, string reason);

    [LoggerMessage(3005, LogLevel.Error, "The broker does not take messages for {Topic} ({Bytes} bytes): {Reason}.")]
    private partial void LogRefused(string topic, int bytes, string reason);

    [LoggerMessage(3014, LogLevel.Error,
        "The broker does not take messages for {Topic}: {Reason}. They wait, and are tried again.")]
    private partial void LogHeld(string topic, string reason);

    [LoggerMessage(3007, LogLevel.Information,
        "{Count} message(s) of an earlier run wait in the outbox, {Bytes} bytes; they go first.")]
    private partial void LogLeft(int count, long bytes);

    [LoggerMessage(3008, LogLevel.Warning,
        "{Count} message(s) in the outbox folder are damaged ({Reason}) and were left out.")]
    private partial void LogDamaged(long count, string reason);

    [LoggerMessage(3009, LogLevel.Error,
        "The disk of the outbox failed: {Fault}: {Detail} Messages wait in memory until it takes them again.")]
    private partial void LogDiskFailed(StoreFault fault, string detail);

    [LoggerMessage(3012, LogLevel.Information, "The disk of the outbox takes messages again.")]
    private partial void LogDiskHealthy();
}
