namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Limits of a broker: those of its CONNACK (MQTT 5, 3.2.2.3) and those that it showed by a refusal.</summary>
/// <param name="MaximumPacketSize">Bytes of a whole packet; int.MaxValue: none.</param>
/// <param name="ReceiveMaximum">QoS 1 messages in flight.</param>
/// <param name="Qos">Highest QoS that it accepts, 0 or 1.</param>
/// <param name="Retain">False when it refuses retained messages.</param>
/// <param name="Wildcards">False when it refuses subscriptions with wildcards.</param>
public sealed record BrokerLimits(int MaximumPacketSize = int.MaxValue, int ReceiveMaximum = 65535, int Qos = 1,
    bool Retain = true, bool Wildcards = true)
{
    /// <summary>These limits and the one that the reason code of a CONNACK or DISCONNECT shows.</summary>
    public BrokerLimits After(int reason) => reason switch
    {
        0x9A => this with { Retain = false },
        0x9B => this with { Qos = 0 },
        _ => this,
    };

    /// <summary>Sentence about what is lost; null without a loss.</summary>
    public string? Loss => (Retain, Qos) switch
    {
        (true, > 0) => null,
        (false, > 0) => "no retained messages: consumers see state, status and labels only when they are published",
        (true, _) => "QoS 0 only: finals, events and state are not acknowledged and can be lost",
        (false, _) => "QoS 0 only and no retained messages: finals, events and state are not acknowledged and can be "
            + "lost, and consumers see state, status and labels only when they are published",
    };
}
