using MQTTnet.Protocol;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Reason why a connection was not made or ended; in metrics and logs in snake case.</summary>
public enum MqttFault
{
    Ok,

    /// <summary>No broker listens there, or there is no route.</summary>
    Refused,
    UnknownHost,
    Timeout,

    /// <summary>The handshake failed for another reason than those below; the broker may not use TLS.</summary>
    Tls,

    /// <summary>The broker's certificate is no longer, or not yet, valid.</summary>
    TlsExpired,

    /// <summary>The certificate is another host's.</summary>
    TlsWrongHost,

    /// <summary>No trusted authority signed the certificate.</summary>
    TlsUnknownCa,

    /// <summary>A file of the configuration cannot be read.</summary>
    Config,
    BadCredentials,
    NotAuthorized,
    UnsupportedProtocol,
    ClientIdRejected,
    ServerUnavailable,
    Banned,

    /// <summary>Another client uses the client id.</summary>
    SessionTakenOver,
    KeepAliveTimeout,

    /// <summary>The broker stopped acknowledging.</summary>
    AckTimeout,
    PacketTooLarge,
    QuotaExceeded,
    ProtocolError,
    ConnectionLost,

    /// <summary>Another reason code, which the detail has.</summary>
    Rejected,
}

/// <summary>Fault and a sentence about it that never contains a secret.</summary>
/// <param name="Reason">Reason code of MQTT 5 from 0x80; 0: none.</param>
public readonly record struct MqttOutcome(MqttFault Fault, string Detail, int Reason = 0)
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
        ? new(MqttFault.ConnectionLost, "ended by the broker without a reason")
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
    }, $"reason 0x{reason:X2}, {name ?? "not defined by MQTT"}", reason);
}
