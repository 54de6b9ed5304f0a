using System.ComponentModel;
using System.Runtime.InteropServices;
using static Dvis.Streaming.Sinks.Mqtt.Mosquitto.Native;

namespace Dvis.Streaming.Sinks.Mqtt.Mosquitto;

/// <summary>libmosquitto's and the broker's codes as ours.</summary>
internal static class Faults
{
    private const int ConnectionRefused = 111; // errno ECONNREFUSED on Linux

    /// <summary>CONNACK: MQTT 5 reasons from 0x80, MQTT 3.1.1 return codes 1 to 5.</summary>
    public static MqttOutcome OfConnack(int code) => code switch
    {
        1 => new(MqttFault.UnsupportedProtocol, "unacceptable protocol version"),
        2 => new(MqttFault.ClientIdRejected, "client identifier rejected"),
        3 => new(MqttFault.ServerUnavailable, "server unavailable"),
        4 => new(MqttFault.BadCredentials, "bad user name or password"),
        5 => new(MqttFault.NotAuthorized, "not authorized"),
        _ => OfReason(code),
    };

    /// <summary>Reasons of CONNACK and DISCONNECT (MQTT 5, 2.4).</summary>
    public static MqttOutcome OfReason(int reason) => new(reason switch
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
    }, $"reason 0x{reason:X2}: {Text(mosquitto_reason_string(reason))}");

    /// <summary>Error of a call. <paramref name="log"/> is the library's last complaint: only it knows what was wrong with a certificate.</summary>
    public static MqttOutcome OfError(int error, int errno, string? log) => (Error)error switch
    {
        Error.Tls or Error.TlsHandshake => new(MqttFault.Tls, log ?? "handshake failed"),
        Error.Eai or Error.Lookup => new(MqttFault.UnknownHost, "name not known"),
        Error.Errno when errno == ConnectionRefused => new(MqttFault.Refused, "connection refused"),
        Error.Errno when log is not null && log.Contains("OpenSSL", StringComparison.Ordinal) => new(MqttFault.Tls, log),
        Error.Errno => new(MqttFault.Refused, new Win32Exception(errno).Message),
        Error.Keepalive => new(MqttFault.KeepAliveTimeout, "no answer to ping"),
        Error.ConnLost or Error.NoConn => new(MqttFault.ConnectionLost, log ?? "closed by the broker"),
        Error.Protocol => new(MqttFault.ProtocolError, log ?? "protocol error"),
        _ => new(MqttFault.ConnectionLost, log ?? Text(mosquitto_strerror(error))),
    };

    private static string Text(nint text) => Marshal.PtrToStringUTF8(text) ?? "";
}
