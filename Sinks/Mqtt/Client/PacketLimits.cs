using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>Maximum Packet Size of the brokers met so far:
/// messages are made before it is known which one they go to, so the smallest counts.</summary>
internal sealed class PacketLimits(int remembered)
{
    private readonly Dictionary<MqttServer, int> _known = [];

    /// <summary>Bytes of a whole packet.</summary>
    public int Smallest { get; private set; } = remembered;

    public void Learn(MqttServer server, int limit)
    {
        _known[server] = limit;
        Smallest = _known.Values.Min();
    }
}
