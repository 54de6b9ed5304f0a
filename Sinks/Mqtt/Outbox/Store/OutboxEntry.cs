using Dvis.Streaming.Sinks.Mqtt.Messages;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Number of QoS 0 messages by kind.</summary>
internal readonly record struct Qos0Counts(long Tracks, long Masks, long Commands);

/// <summary>QoS 1 message that the broker has not acknowledged, or acknowledged of late.</summary>
/// <param name="enqueued">Creation on the monotonic clock of the run that created it.</param>
internal sealed class OutboxEntry(
    MqttTopic topic, byte[] payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties,
    DateTimeOffset created, long enqueued)
{
    /// <summary>Most bytes that <see cref="Outgoing"/> adds to a packet: those of a user property.</summary>
    public const int MarkLength = 5 + 10 + 4; // header, "historical", "true"

    private static readonly KeyValuePair<string, string> s_late = new("historical", "true");

    private static ReadOnlySpan<byte> LateMember => "{\"historical\":true,"u8;

    public MqttTopic Topic { get; } = topic;
    public byte[] Payload { get; } = payload;
    public IReadOnlyList<KeyValuePair<string, string>>? UserProperties { get; } = userProperties;
    public DateTimeOffset Created { get; } = created;
    public long Enqueued { get; set; } = enqueued;

    /// <summary>Position in the outbox of this run.</summary>
    public long Token { get; set; }

    /// <summary>Number on disk, never used twice; 0 when it is in memory only.</summary>
    public long Sequence { get; set; }

    /// <summary>Timestamp of the last hand-over; 0 before the first.</summary>
    public long Sent { get; set; }

    /// <summary>Timestamp since which it is kept after the acknowledgement.</summary>
    public long KeptSince { get; set; }

    /// <summary>True once the broker has acknowledged it.</summary>
    public bool Acknowledged { get; set; }

    /// <summary>True once the broker has refused it.</summary>
    public bool Refused { get; set; }

    /// <summary>True when it was created without a connection, or its connection broke.</summary>
    public bool Late { get; set; }

    /// <summary>QoS 0 messages before it on the connection, which its acknowledgement confirms.</summary>
    public Qos0Counts Confirms { get; set; }

    public bool InMemoryOnly => Sequence == 0 && !Topic.Retain;

    /// <summary>Payload and properties to send. A late message is marked: JSON by a first member
    /// <c>"historical":true</c>, else by a user property. State is never late: it still holds.</summary>
    public (byte[] Payload, IReadOnlyList<KeyValuePair<string, string>>? UserProperties) Outgoing()
    {
        if (!Late || Topic.Retain) return (Payload, UserProperties);
        return Topic.IsJson
            ? ([.. LateMember, .. Payload.AsSpan(1)], UserProperties)
            : (Payload, [.. UserProperties ?? [], s_late]);
    }
}
