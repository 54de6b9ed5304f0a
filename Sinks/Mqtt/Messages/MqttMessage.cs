using System.Text;

namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>One PUBLISH. The payload is copied by the transport before its call returns.</summary>
/// <param name="ExpirySeconds">What is left of the topic's expiry; 0: none.</param>
/// <param name="CorrelationData">MQTT 5: of the message that this one answers.</param>
public readonly record struct MqttMessage(
    MqttTopic Topic, ReadOnlyMemory<byte> Payload, uint ExpirySeconds,
    IReadOnlyList<KeyValuePair<string, string>>? UserProperties = null,
    byte[]? CorrelationData = null)
{
    /// <summary>Bytes of the packet that are not payload,
    /// with room for the largest length fields (MQTT 5, 3.3).</summary>
    public static int Overhead(MqttTopic topic, IReadOnlyList<KeyValuePair<string, string>>? userProperties)
    {
        // Fixed header 5, topic length 2, packet id 2, property length 4, expiry 5.
        var bytes = 18 + topic.NameBytes;
        if (topic.ContentType is { } type) bytes += 3 + type.Length;
        if (userProperties is null) return bytes;
        foreach (var property in userProperties) bytes += Length(property);
        return bytes;
    }

    /// <summary>Bytes of a user property.</summary>
    public static int Length(KeyValuePair<string, string> property) =>
        5 + Encoding.UTF8.GetByteCount(property.Key) + Encoding.UTF8.GetByteCount(property.Value);
}

/// <summary>A message from the broker.</summary>
/// <param name="Retained">It was published some time before we subscribed.</param>
/// <param name="ResponseTopic">MQTT 5: where an answer is expected; else null.</param>
/// <param name="CorrelationData">MQTT 5: what the answer must repeat; else null.</param>
public sealed record MqttReceived(string Topic, byte[] Payload, bool Retained, string? ResponseTopic = null,
    byte[]? CorrelationData = null)
{
    /// <summary>Bytes; whoever sends us more is not talking to us.</summary>
    public const int MaxPayload = 65536;
}

/// <summary>What the broker says for us when we vanish; retained, QoS 1.</summary>
public sealed record MqttWill(MqttTopic Topic, byte[] Payload,
    IReadOnlyList<KeyValuePair<string, string>> UserProperties);
