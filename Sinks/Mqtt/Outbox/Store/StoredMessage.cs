using Dvis.Streaming.Sinks.Mqtt.Messages;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>A durable message as it lies on disk.</summary>
/// <param name="Sequence">Rises with every message of the folder; never used twice.</param>
/// <param name="CreatedUtc">When it was accepted.</param>
/// <param name="Created">The same on the monotonic clock of the run that accepted it.</param>
internal sealed record StoredMessage(
    long Sequence, MqttTopic Topic, byte[] Payload, IReadOnlyList<KeyValuePair<string, string>>? UserProperties,
    DateTimeOffset CreatedUtc, long Created);
