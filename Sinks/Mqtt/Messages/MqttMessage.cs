namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>One PUBLISH. The transport copies the payload before its call returns.</summary>
/// <param name="CorrelationData">MQTT 5: that of the message that this one answers.</param>
public readonly record struct MqttMessage(
    MqttTopic Topic, ReadOnlyMemory<byte> Payload, IReadOnlyList<KeyValuePair<string, string>>? UserProperties = null,
    byte[]? CorrelationData = null);

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
