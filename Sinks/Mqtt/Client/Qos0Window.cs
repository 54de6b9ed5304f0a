using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>QoS 0 messages of the present connection: those not yet written to the socket, and those that the broker
/// has read. TCP keeps the order: the acknowledgement of a QoS 1 message confirms all that was handed over before it.
/// Not thread-safe.</summary>
internal sealed class Qos0Window(MqttMetrics metrics)
{
    // Limits of what is not yet written: the connection's queue must not grow behind a stalled broker.
    private const int MaxUnwritten = 512;
    private const long MaxUnwrittenBytes = 4 << 20;

    private readonly Queue<int> _unwritten = [];
    private long _unwrittenBytes;
    private Qos0Counts _confirmed;

    /// <summary>Messages handed over so far, by kind.</summary>
    public Qos0Counts Sent { get; private set; }

    public bool HasRoom(int bytes) => _unwritten.Count < MaxUnwritten && _unwrittenBytes + bytes <= MaxUnwrittenBytes;

    public void HandedOver(MqttTopic topic, int bytes)
    {
        _unwritten.Enqueue(bytes);
        _unwrittenBytes += bytes;
        Sent = topic.Kind switch
        {
            Kinds.Masks => Sent with { Masks = Sent.Masks + 1 },
            Kinds.Command => Sent with { Commands = Sent.Commands + 1 },
            _ => Sent with { Tracks = Sent.Tracks + 1 },
        };
    }

    /// <summary>Removes the oldest message, which is on the socket.</summary>
    public void Written()
    {
        if (_unwritten.TryDequeue(out var bytes)) _unwrittenBytes -= bytes;
    }

    public void ConfirmUpTo(Qos0Counts read)
    {
        _confirmed = new(
            Confirm(Kinds.Tracks, _confirmed.Tracks, read.Tracks),
            Confirm(Kinds.Masks, _confirmed.Masks, read.Masks),
            Confirm(Kinds.Command, _confirmed.Commands, read.Commands));
    }

    /// <summary>Starts again for another connection.</summary>
    public void Clear()
    {
        _unwritten.Clear();
        _unwrittenBytes = 0;
        Sent = _confirmed = default;
    }

    private long Confirm(string kind, long before, long now)
    {
        if (now <= before) return before;
        metrics.Message(kind, "acked", now - before);
        return now;
    }
}
