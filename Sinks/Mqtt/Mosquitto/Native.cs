using System.Runtime.InteropServices;

namespace Dvis.Streaming.Sinks.Mqtt.Mosquitto;

/// <summary>The part of libmosquitto 2.x that is used; names as in mosquitto.h. Every int is an error code of <see cref="Error"/>.</summary>
internal static unsafe partial class Native
{
    internal const string Library = "libmosquitto.so.1";

    internal enum Error
    {
        Success = 0, Protocol = 2, Inval = 3, NoConn = 4, ConnRefused = 5, ConnLost = 7, Tls = 8, NotSupported = 10,
        Errno = 14, Eai = 15, Keepalive = 19, Lookup = 20, TlsHandshake = 23, OversizePacket = 25,
    }

    internal enum Option { ProtocolVersion = 1, SendMaximum = 5, TcpNodelay = 11, TlsUseOsCerts = 13 }

    internal enum Property { MessageExpiryInterval = 2, ContentType = 3, ResponseTopic = 8, CorrelationData = 9, ReceiveMaximum = 33, UserProperty = 38, MaximumPacketSize = 39 }

    /// <summary>Subscription option of MQTT 5: what we publish does not come back to us.</summary>
    internal const int NoLocal = 4;

    /// <summary><c>struct mosquitto_message</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Message
    {
        public int Mid;
        public byte* Topic;
        public byte* Payload;
        public int Length;
        public int Qos;
        public byte Retain;
    }

    internal const int LogWarning = 1 << 2, LogError = 1 << 3;

    [LibraryImport(Library)] internal static partial int mosquitto_lib_init();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint mosquitto_new(string id, byte cleanSession, nint obj);

    [LibraryImport(Library)] internal static partial void mosquitto_destroy(nint mosq);

    [LibraryImport(Library)] internal static partial int mosquitto_threaded_set(nint mosq, byte threaded);

    [LibraryImport(Library)] internal static partial int mosquitto_int_option(nint mosq, Option option, int value);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_username_pw_set(nint mosq, string? username, string? password);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_tls_set(nint mosq, string? cafile, string? capath, string? certfile, string? keyfile, nint passwordCallback);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_tls_opts_set(nint mosq, int verify, string? version, string? ciphers);

    [LibraryImport(Library)] internal static partial int mosquitto_tls_insecure_set(nint mosq, byte value);

    /// <summary>Takes ownership of <paramref name="properties"/> when it succeeds.</summary>
    [LibraryImport(Library)]
    internal static partial int mosquitto_will_set_v5(nint mosq, byte* topic, int length, byte* payload, int qos, byte retain, nint properties);

    /// <summary>Blocks for name resolution and TCP; TLS and CONNECT go on in the loop.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int mosquitto_connect_bind_v5(nint mosq, string host, int port, int keepalive, nint bindAddress, nint properties);

    [LibraryImport(Library, SetLastError = true)] internal static partial int mosquitto_loop(nint mosq, int timeoutMs, int maxPackets);

    [LibraryImport(Library)] internal static partial int mosquitto_disconnect_v5(nint mosq, int reason, nint properties);

    [LibraryImport(Library)]
    internal static partial int mosquitto_publish_v5(nint mosq, out int mid, byte* topic, int length, byte* payload, int qos, byte retain, nint properties);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_subscribe_v5(nint mosq, nint mid, string filter, int qos, int options, nint properties);

    [LibraryImport(Library)]
    internal static partial void mosquitto_message_v5_callback_set(nint mosq, delegate* unmanaged[Cdecl]<nint, nint, Message*, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_connect_v5_callback_set(nint mosq, delegate* unmanaged[Cdecl]<nint, nint, int, int, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_disconnect_v5_callback_set(nint mosq, delegate* unmanaged[Cdecl]<nint, nint, int, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_publish_v5_callback_set(nint mosq, delegate* unmanaged[Cdecl]<nint, nint, int, int, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_log_callback_set(nint mosq, delegate* unmanaged[Cdecl]<nint, nint, int, byte*, void> callback);

    [LibraryImport(Library)] internal static partial int mosquitto_property_add_binary(ref nint list, Property id, void* value, ushort length);

    [LibraryImport(Library)] internal static partial int mosquitto_property_add_int32(ref nint list, Property id, uint value);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_property_add_string(ref nint list, Property id, string value);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_property_add_string_pair(ref nint list, Property id, string name, string value);

    [LibraryImport(Library)] internal static partial nint mosquitto_property_read_int16(nint list, Property id, out ushort value, byte skipFirst);

    [LibraryImport(Library)] internal static partial nint mosquitto_property_read_int32(nint list, Property id, out uint value, byte skipFirst);

    /// <summary>The value is the caller's, from <c>malloc</c>.</summary>
    [LibraryImport(Library)] internal static partial nint mosquitto_property_read_string(nint list, Property id, out nint value, byte skipFirst);

    /// <inheritdoc cref="mosquitto_property_read_string"/>
    [LibraryImport(Library)] internal static partial nint mosquitto_property_read_binary(nint list, Property id, out nint value, out ushort length, byte skipFirst);

    [LibraryImport(Library)] internal static partial void mosquitto_property_free_all(ref nint list);

    [LibraryImport(Library)] internal static partial nint mosquitto_strerror(int error);

    [LibraryImport(Library)] internal static partial nint mosquitto_reason_string(int reason);
}
