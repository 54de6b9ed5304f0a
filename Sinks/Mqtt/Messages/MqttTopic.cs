using System.Text;

namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>A topic and how its messages travel; made once and reused for every message.</summary>
/// <param name="Kind">For metrics: <c>state, tracks, final, masks, event</c>.</param>
/// <param name="Qos">0 or 1. Messages of QoS 0 never wait for a connection.</param>
/// <param name="Retain">True for state: only the last value counts, and every connect repeats it.</param>
/// <param name="ExpirySeconds">Message Expiry Interval; 0: none.</param>
/// <param name="ContentType">MQTT 5 property, or null.</param>
public sealed record MqttTopic(string Name, string Kind, int Qos, bool Retain = false, uint ExpirySeconds = 0,
    string? ContentType = null)
{
    public const string Json = "application/json";

    /// <summary>Bytes of the name in UTF-8.</summary>
    internal int NameBytes { get; } = Encoding.UTF8.GetByteCount(Name);

    public bool IsJson => ContentType is Json or CloudEventsJson;

    public const string CloudEventsJson = "application/cloudevents+json; charset=utf-8";

    // One topic object per topic: identity is equality, and looking one up must not hash its strings.
    public bool Equals(MqttTopic? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}
