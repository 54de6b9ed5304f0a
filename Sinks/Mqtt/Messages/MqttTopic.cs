using System.Runtime.CompilerServices;
using System.Text;

namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>Kinds of messages in metrics; segments count as tracks, maps as masks.</summary>
internal static class Kinds
{
    public const string State = "state", Tracks = "tracks", Final = "final", Masks = "masks", Event = "event",
        Command = "command";
}

/// <summary>Topic and properties of its messages; made once and reused for every message.</summary>
/// <param name="Kind">One of <see cref="Kinds"/>.</param>
/// <param name="Qos">0 or 1. Messages of QoS 0 never wait for a connection.</param>
/// <param name="Retain">True for state: only the last value counts, and every connect repeats it.</param>
/// <param name="ExpirySeconds">Message Expiry Interval; 0: none.</param>
/// <param name="ContentType">MQTT 5 property, or null.</param>
public sealed record MqttTopic(string Name, string Kind, int Qos, bool Retain = false, uint ExpirySeconds = 0,
    string? ContentType = null)
{
    public const string Json = "application/json",
        CloudEventsJson = "application/cloudevents+json; charset=utf-8";

    /// <summary>Retained topic of a state.</summary>
    public static MqttTopic OfState(string name, string? contentType = null) =>
        new(name, Kinds.State, Qos: 1, Retain: true, ContentType: contentType);

    public bool IsJson => ContentType is Json or CloudEventsJson;

    /// <summary>Bytes of the name in UTF-8.</summary>
    internal int NameBytes { get; } = Encoding.UTF8.GetByteCount(Name);

    // There is one object per topic: identity is equality, and a lookup must not hash its strings.
    public bool Equals(MqttTopic? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
}
