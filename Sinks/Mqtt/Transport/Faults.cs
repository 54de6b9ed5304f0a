using MQTTnet.Protocol;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>The broker's codes as faults.</summary>
internal static class Faults
{
    /// <summary>Fault of a CONNACK: MQTT 5 reasons from 0x80, MQTT 3.1.1 return codes 1 to 5.</summary>
    public static MqttOutcome OfConnack(int code) => code switch
    {
        1 => new(MqttFault.UnsupportedProtocol, "unacceptable protocol version"),
        2 => new(MqttFault.ClientIdRejected, "client identifier rejected"),
        3 => new(MqttFault.ServerUnavailable, "server unavailable"),
        4 => new(MqttFault.BadCredentials, "bad user name or password"),
        5 => new(MqttFault.NotAuthorized, "not authorized"),
        _ => OfReason(code, Enum.GetName((MqttConnectReasonCode)code)),
    };

    /// <summary>Fault of a DISCONNECT (MQTT 5, 2.4).</summary>
    public static MqttOutcome OfDisconnect(int reason) => reason == 0
        ? new(MqttFault.Ok, "disconnected")
        : OfReason(reason, Enum.GetName((MqttDisconnectReasonCode)reason));

    private static MqttOutcome OfReason(int reason, string? name) => new(reason switch
    {
        0x81 or 0x82 => MqttFault.ProtocolError,
        0x84 => MqttFault.UnsupportedProtocol,
        0x85 => MqttFault.ClientIdRejected,
        0x86 or 0x8C => MqttFault.BadCredentials,
        0x87 => MqttFault.NotAuthorized,
        0x88 or 0x89 or 0x8B => MqttFault.ServerUnavailable,
        0x8A => MqttFault.Banned,
        0x8D => MqttFault.KeepAliveTimeout,
        0x8E => MqttFault.SessionTakenOver,
        0x95 => MqttFault.PacketTooLarge,
        0x97 => MqttFault.QuotaExceeded,
        _ => MqttFault.Rejected,
    }, $"reason 0x{reason:X2}, {name ?? "which MQTT does not know"}");
}
