namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Why a connection was not made or ended; in metrics and logs in snake case.</summary>
public enum MqttFault
{
    Ok,

    /// <summary>Nobody listens there, or no route.</summary>
    Refused,
    UnknownHost,
    Timeout,

    /// <summary>The handshake failed for another reason than those below; it may be no TLS at all.</summary>
    Tls,

    /// <summary>The broker's certificate is no longer, or not yet, valid.</summary>
    TlsExpired,

    /// <summary>The certificate is another host's.</summary>
    TlsWrongHost,

    /// <summary>The certificate is signed by nobody we trust.</summary>
    TlsUnknownCa,

    /// <summary>A file of ours cannot be read.</summary>
    Config,
    BadCredentials,
    NotAuthorized,
    UnsupportedProtocol,
    ClientIdRejected,
    ServerUnavailable,
    Banned,

    /// <summary>Another client uses our client id.</summary>
    SessionTakenOver,
    KeepAliveTimeout,

    /// <summary>The broker stopped acknowledging.</summary>
    AckTimeout,
    PacketTooLarge,
    QuotaExceeded,
    ProtocolError,
    ConnectionLost,

    /// <summary>Another reason code; the detail has it.</summary>
    Rejected,
}

/// <summary>A fault and a sentence about it that never contains a secret.</summary>
public readonly record struct MqttOutcome(MqttFault Fault, string Detail);
