using System.Text;

namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>Kinds of messages in metrics: segments count as tracks, maps as masks, state is that of cameras, node that
/// of the node, command an answer.</summary>
public static class Kinds
{
    public const string State = "state", Tracks = "tracks", Final = "final", Masks = "masks", Event = "event",
        Node = "node", Command = "command", Snapshot = "snapshot";

    public static IReadOnlyList<string> All { get; } = [Tracks, Final, Event, State, Masks, Snapshot, Node, Command];
}

/// <summary>Topic and properties of its messages; made once and reused for every message.</summary>
/// <param name="Kind">One of <see cref="Kinds.All"/>.</param>
/// <param name="Qos">0 or 1. Messages of QoS 0 never wait for a connection.</param>
/// <param name="Retain">True for state: only the last value counts, and every connect repeats it.</param>
/// <param name="ExpirySeconds">Message Expiry Interval; 0: none.</param>
/// <param name="ContentType">MQTT 5 property, or null.</param>
public sealed record MqttTopic(string Name, string Kind, int Qos, bool Retain = false, uint ExpirySeconds = 0,
    string? ContentType = null)
{
    public const string Json = "application/json",
        Jpeg = "image/jpeg", CloudEventsJson = "application/cloudevents+json; charset=utf-8";

    /// <summary>Retained topic of a state.</summary>
    public static MqttTopic OfState(string name, string? contentType = null, string kind = Kinds.State) =>
        new(name, kind, Qos: 1, Retain: true, ContentType: contentType);

    public bool IsJson => ContentType is Json or CloudEventsJson;

    /// <summary>Bytes of a packet beside payload and user properties, at most (MQTT 5, 3.3): fixed header 5, topic
    /// length 2, packet id 2, property length 4, expiry 5, content type.</summary>
    internal int Overhead { get; } =
        18 + Encoding.UTF8.GetByteCount(Name) + (ContentType is null ? 0 : 3 + ContentType.Length);

    // The name identifies a topic.
    public bool Equals(MqttTopic? other) => Name == other?.Name;

    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);
}
