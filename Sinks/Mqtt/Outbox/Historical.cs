using Dvis.Streaming.Sinks.Mqtt.Messages;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>Marks what is delivered late: a member of JSON objects, with other payloads a user property.</summary>
internal static class Historical
{
    private static readonly KeyValuePair<string, string> Property = new("historical", "true");

    private static ReadOnlySpan<byte> Opening => "{\"historical\":true,"u8;

    /// <summary>Bytes that marking may add to a packet: durable messages leave room for them.</summary>
    public static int Length { get; } = Math.Max(Opening.Length - 1, MqttMessage.Length(Property));

    /// <summary>The payload and properties as they are to leave now. State is never late: it is what holds.</summary>
    public static (byte[] Payload, IReadOnlyList<KeyValuePair<string, string>>? UserProperties) Mark(OutboxEntry entry)
    {
        if (!entry.Late || entry.Topic.Retain) return (entry.Payload, entry.UserProperties);
        return entry.Topic.IsJson
            ? (Mark(entry.Payload), entry.UserProperties)
            : (entry.Payload, [.. entry.UserProperties ?? [], Property]);
    }

    /// <summary>The object with <c>"historical":true</c> as its first member.</summary>
    private static byte[] Mark(ReadOnlySpan<byte> json) => [.. Opening, .. json[1..]];
}
