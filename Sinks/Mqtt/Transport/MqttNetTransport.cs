using System.Text;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using MQTTnet.Formatter;
using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>MQTT by MQTTnet's packets. Each attempt has a connection of its own; none leaves anything.</summary>
internal sealed class MqttNetTransport(MqttOptions options, string clientId, TimeProvider time) : IMqttTransport
{
    // Commands and retained messages that the broker may send before we have answered the first.
    private const int MaxUnanswered = 20;

    private readonly MqttProtocolVersion _version =
        options.Protocol == MqttProtocol.V5 ? MqttProtocolVersion.V500 : MqttProtocolVersion.V311;

    public async Task<MqttConnectResult> ConnectAsync(
        MqttServer server, MqttWill will, IMqttListener listener, CancellationToken cancel)
    {
        if (Secrets.Read(options, out var secrets) is { } fault) return new(null, fault);
        using var timeout = new CancellationTokenSource(options.ConnectTimeout, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel, timeout.Token);
        try
        {
            var (socket, outcome) = await BrokerSocket.OpenAsync(server, options.Tls, limit.Token);
            if (socket is null) return new(null, outcome);
            var target = new MqttNetTarget(
                socket, server.Tls, _version, options.KeepAlive, options.Outbox.InFlight, listener, time);
            return await MqttNetConnection.ConnectAsync(target, Connect(secrets, will), limit.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new(null, new(MqttFault.Timeout, $"no answer within {options.ConnectTimeout}"));
        }
    }

    /// <summary>CONNECT of a session that ends with its connection; properties of MQTT 5 stay out of 3.1.1.</summary>
    private MqttConnectPacket Connect(Secrets secrets, MqttWill will) => new()
    {
        ClientId = clientId,
        CleanSession = true,
        Username = secrets.Username,
        Password = secrets.Password is { } password ? Encoding.UTF8.GetBytes(password) : null,
        KeepAlivePeriod = (ushort)options.KeepAlive.TotalSeconds,
        MaximumPacketSize = PacketReader.MaxPacket,
        ReceiveMaximum = MaxUnanswered,
        RequestProblemInformation = true, // the default, which needs no property
        WillFlag = true,
        WillTopic = will.Topic.Name,
        WillMessage = will.Payload,
        WillQoS = (MqttQualityOfServiceLevel)will.Topic.Qos,
        WillRetain = will.Topic.Retain,
        WillUserProperties = MqttNetConnection.Properties(will.UserProperties),
    };
}
