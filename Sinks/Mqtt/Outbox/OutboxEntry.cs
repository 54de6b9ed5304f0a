using Dvis.Streaming.Sinks.Mqtt.Messages;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>One QoS 1 message on its way.</summary>
/// <param name="enqueued"><see cref="TimeProvider.GetTimestamp"/> of its making; from there it ages.</param>
internal sealed class OutboxEntry(
    long token, MqttTopic topic, byte[] payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties,
    DateTimeOffset created, long enqueued)
{
    public long Token { get; } = token;
    public MqttTopic Topic { get; } = topic;
    public byte[] Payload { get; } = payload;
    public IReadOnlyList<KeyValuePair<string, string>>? UserProperties { get; } = userProperties;
    public DateTimeOffset Created { get; } = created;
    public long Enqueued { get; } = enqueued;

    /// <summary>Its number on disk; 0 when it is in memory only.</summary>
    public long Sequence { get; set; }

    /// <summary>Timestamp of the last hand-over; 0 before the first.</summary>
    public long Sent { get; set; }

    /// <summary>The broker has had it once.</summary>
    public bool Acknowledged { get; set; }

    /// <summary>The broker has refused it once.</summary>
    public bool Refused { get; set; }

    /// <summary>It missed the connection it was made for, or was made without one.</summary>
    public bool Late { get; set; }

    /// <summary>How many QoS 0 messages of each kind stood before it on the connection:
    /// its acknowledgement proves them read.</summary>
    public (long Tracks, long Masks) Proves { get; set; }

    public bool InMemoryOnly => Sequence == 0 && !Topic.Retain;
}
