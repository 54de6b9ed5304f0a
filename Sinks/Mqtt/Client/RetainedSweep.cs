using Dvis.Streaming.Sinks.Mqtt.Messages;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>
/// Takes away what an earlier run left retained of cameras and classes that are no more. Only the broker knows what
/// that is, so it is asked at every connect; what is not announced by this run is cleared.
/// </summary>
internal static class RetainedSweep
{
    public static void Start(MqttClient client, NodeTopics node)
    {
        foreach (var state in (ReadOnlySpan<string>)["availability", "state", "count/+"])
            client.Subscribe($"{node.Prefix}/camera/+/{state}", message =>
            {
                if (message is { Retained: true, Payload.Length: > 0 }) client.Delivery.ClearUnannounced(message.Topic);
            });
    }
}
