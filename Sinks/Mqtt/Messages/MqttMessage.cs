using System.Text;

namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>One PUBLISH. The transport copies the payload before its call returns.</summary>
/// <param name="CorrelationData">MQTT 5: that of the message that this one answers.</param>
public readonly record struct MqttMessage(
    MqttTopic Topic, ReadOnlyMemory<byte> Payload, IReadOnlyList<KeyValuePair<string, string>>? UserProperties = null,
    byte[]? CorrelationData = null)
{
    /// <summary>Bytes of the packet beside the payload, with the largest length fields (MQTT 5, 3.3).</summary>
    public static int Overhead(MqttTopic topic, IReadOnlyList<KeyValuePair<string, string>>? userProperties)
    {
        // Fixed header 5, topic length 2, packet id 2, property length 4, expiry 5.
        var bytes = 18 + topic.NameBytes;
        if (topic.ContentType is { } type) bytes += 3 + type.Length;
        foreach (var property in userProperties ?? []) bytes += Length(property);
        return bytes;
    }

    /// <summary>Bytes of a user property.</summary>
    public static int Length(KeyValuePair<string, string> property) =>
        5 + Encoding.UTF8.GetByteCount(property.Key) + Encoding.UTF8.GetByteCount(property.Value);
}

/// <summary>Message from the broker.</summary>
/// <param name="Retained">True when it was published before the subscription.</param>
/// <param name="ResponseTopic">MQTT 5: topic for an answer; else null.</param>
/// <param name="CorrelationData">MQTT 5: data that the answer must repeat; else null.</param>
public sealed record MqttReceived(string Topic, byte[] Payload, bool Retained, string? ResponseTopic = null,
    byte[]? CorrelationData = null)
{
    /// <summary>Largest payload in bytes; no command is larger.</summary>
    public const int MaxPayload = 65536;
}

/// <summary>Last Will, which the broker publishes when the connection breaks.</summary>
public sealed record MqttWill(MqttTopic Topic, byte[] Payload,
    IReadOnlyList<KeyValuePair<string, string>> UserProperties);
