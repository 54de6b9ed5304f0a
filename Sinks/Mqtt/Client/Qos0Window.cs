using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>
/// QoS 0 messages of the present connection: how many may stand before the socket, and which the broker is known to
/// have read. TCP keeps the order: a broker that acknowledges a QoS 1 message has read all that was handed over before
/// it. Not thread-safe.
/// </summary>
internal sealed class Qos0Window(MqttMetrics metrics)
{
    // Handed over and not yet on the socket.
    // A stalled broker would otherwise let the connection's queue grow without end.
    private const int MaxUnwritten = 512;
    private const long MaxUnwrittenBytes = 4 << 20;

    private readonly Queue<int> _unwritten = [];
    private long _unwrittenBytes;
    private (long Tracks, long Masks) _proved;

    /// <summary>Messages handed over so far, by kind: what a QoS 1 message handed over now will prove.</summary>
    public (long Tracks, long Masks) Sent { get; private set; }

    public bool HasRoom(int bytes) => _unwritten.Count < MaxUnwritten && _unwrittenBytes + bytes <= MaxUnwrittenBytes;

    public void HandedOver(MqttTopic topic, int bytes)
    {
        _unwritten.Enqueue(bytes);
        _unwrittenBytes += bytes;
        Sent = topic.Kind == Kinds.Masks
            ? Sent with { Masks = Sent.Masks + 1 }
            : Sent with { Tracks = Sent.Tracks + 1 };
    }

    /// <summary>The oldest is on the socket.</summary>
    public void Written()
    {
        if (_unwritten.TryDequeue(out var bytes)) _unwrittenBytes -= bytes;
    }

    public void Prove((long Tracks, long Masks) read)
    {
        if (read.Tracks > _proved.Tracks) metrics.Message(Kinds.Tracks, "acked", read.Tracks - _proved.Tracks);
        if (read.Masks > _proved.Masks) metrics.Message(Kinds.Masks, "acked", read.Masks - _proved.Masks);
        _proved = (Math.Max(_proved.Tracks, read.Tracks), Math.Max(_proved.Masks, read.Masks));
    }

    /// <summary>Another connection begins; what the last one had not proved stays unknown.</summary>
    public void Clear()
    {
        _unwritten.Clear();
        _unwrittenBytes = 0;
        Sent = _proved = default;
    }
}
