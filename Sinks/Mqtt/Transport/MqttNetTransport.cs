using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using MQTTnet.Exceptions;
using MQTTnet.Formatter;
using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Transport by MQTTnet's packets. Attempts share nothing.</summary>
internal sealed class MqttNetTransport(MqttOptions options, string clientId, TimeProvider time) : IMqttTransport
{
    // Commands and retained messages that the broker may send before the first is acknowledged.
    private const int MaxUnanswered = 20;
    private const int MaxSecretBytes = 64 * 1024;

    private readonly MqttProtocolVersion _version =
        options.Protocol == MqttProtocol.V5 ? MqttProtocolVersion.V500 : MqttProtocolVersion.V311;

    public async Task<MqttConnectResult> ConnectAsync(
        MqttServer server, BrokerLimits known, MqttWill will, IMqttListener listener, CancellationToken cancel)
    {
        MqttConnectPacket connect;
        try
        {
            connect = Connect(will, known);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Failed(MqttFault.Config, e.Message);
        }

        foreach (var file in (string?[])[options.Tls.Ca, options.Tls.Cert, options.Tls.Key])
            if (file is not null && SmallFile.Fault(file) is { } fault)
                return Failed(MqttFault.Config, $"the file '{file}' {fault}");
        using var timeout = new CancellationTokenSource(options.ConnectTimeout, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel, timeout.Token);
        try
        {
            var (socket, outcome) = await BrokerSocket.OpenAsync(server, options.Tls, limit.Token);
            if (socket is null) return new(null, outcome);
            return await HandshakeAsync(socket, server.Tls, connect, known, listener, limit.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return Failed(MqttFault.Timeout, $"no answer within {options.ConnectTimeout}");
        }
    }

    /// <summary>Sends CONNECT and waits for the answer; disposes of the socket unless the broker accepts.</summary>
    private async Task<MqttConnectResult> HandshakeAsync(
        BrokerSocket socket, bool tls, MqttConnectPacket connect, BrokerLimits known, IMqttListener listener,
        CancellationToken cancel)
    {
        var (reader, encoder) = (new PacketReader(socket.Stream, _version), new PacketEncoder(_version));
        IMqttConnection? connection = null;
        try
        {
            if (encoder.Encode(connect) is not { } packet)
                return Failed(MqttFault.Config, "client id, user name or password is longer than MQTT allows");
            await socket.Stream.WriteAsync(packet.Bytes.AsMemory(0, packet.Length), cancel);
            var answer = await reader.ReadAsync(cancel);
            if (answer is null) return Failed(MqttFault.ConnectionLost, "closed by the broker");
            if (answer is not MqttConnAckPacket accepted)
                return Failed(MqttFault.ProtocolError, $"no CONNACK, but {answer}");
            var code = _version == MqttProtocolVersion.V500 ? (int)accepted.ReasonCode : (int)accepted.ReturnCode;
            if (code != 0) return new(null, MqttOutcome.OfConnack(code));
            var limits = _version == MqttProtocolVersion.V500 ? Limits(accepted, known) : known;
            // The broker may set another keep-alive (MQTT 5, 3.2.2.3.14).
            var keepAlive = accepted.ServerKeepAlive > 0
                ? TimeSpan.FromSeconds(accepted.ServerKeepAlive)
                : options.KeepAlive;
            connection = new MqttNetConnection(
                socket, reader, encoder, listener, limits, keepAlive, options.Outbox.InFlight, time);
            return new(connection, new(MqttFault.Ok, "")) { Limits = limits };
        }
        catch (MqttProtocolViolationException e)
        {
            return Failed(MqttFault.ProtocolError, e.Message);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // With TLS 1.3 the client's part of the handshake ends first: a refusal of its certificate comes only now.
            return Failed(tls ? MqttFault.Tls : MqttFault.ConnectionLost, e.GetBaseException().Message);
        }
        finally
        {
            if (connection is null) socket.Dispose();
        }
    }

    // Absent numbers are 0, which the specification forbids as a value.
    private static BrokerLimits Limits(MqttConnAckPacket accepted, BrokerLimits known) => new(
        accepted.MaximumPacketSize is 0 or > int.MaxValue ? int.MaxValue : (int)accepted.MaximumPacketSize,
        accepted.ReceiveMaximum == 0 ? ushort.MaxValue : accepted.ReceiveMaximum,
        Math.Min(known.Qos, (int)accepted.MaximumQoS),
        known.Retain && accepted.RetainAvailable,
        accepted.WildcardSubscriptionAvailable);

    /// <summary>CONNECT of a session that ends with its connection. The encoder leaves properties of MQTT 5 out of
    /// 3.1.1.</summary>
    private MqttConnectPacket Connect(MqttWill will, BrokerLimits known) => new()
    {
        ClientId = clientId,
        CleanSession = true,
        Username = options.UsernameFile is { } user ? ReadSecret(user) : options.Username,
        Password = (options.PasswordFile is { } file ? ReadSecret(file) : options.Password) is { } password
            ? Encoding.UTF8.GetBytes(password)
            : null,
        KeepAlivePeriod = (ushort)options.KeepAlive.TotalSeconds,
        MaximumPacketSize = PacketReader.MaxPacket,
        ReceiveMaximum = MaxUnanswered,
        RequestProblemInformation = true, // the default, which needs no property
        WillFlag = true,
        WillTopic = will.Topic.Name,
        WillMessage = will.Payload,
        WillQoS = (MqttQualityOfServiceLevel)Math.Min(will.Topic.Qos, known.Qos),
        WillRetain = will.Topic.Retain && known.Retain,
        WillUserProperties = PacketEncoder.Properties(will.UserProperties),
    };

    // Editors add one newline at the end, which is not part of the secret.
    private static string ReadSecret(string path)
    {
        var text = SmallFile.ReadText(path, MaxSecretBytes);
        if (text.EndsWith('\n')) text = text[..^1];
        return text.EndsWith('\r') ? text[..^1] : text;
    }

    private static MqttConnectResult Failed(MqttFault fault, string detail) => new(null, new(fault, detail));
}
