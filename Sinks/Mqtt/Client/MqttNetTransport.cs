using System.Text;
using MQTTnet.Formatter;
using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>MQTT by MQTTnet's packets and formatters. Each attempt has a connection of its own; nothing is kept between them.</summary>
internal sealed class MqttNetTransport(MqttOptions options, string clientId, TimeProvider time) : IMqttTransport
{
    private readonly MqttProtocolVersion _version =
        options.Protocol == "5" ? MqttProtocolVersion.V500 : MqttProtocolVersion.V311;

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
                socket, server, _version, options.KeepAlive, options.Outbox.InFlight, listener, time);
            return await MqttNetConnection.ConnectAsync(target, Connect(secrets, will), limit.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new(null, new(MqttFault.Timeout, $"no answer within {options.ConnectTimeout}"));
        }
    }

    /// <summary>CONNECT of a session that ends with its connection. Properties of MQTT 5 are left out of MQTT 3.1.1 by the formatter.</summary>
    private MqttConnectPacket Connect(Secrets secrets, MqttWill will) => new()
    {
        ClientId = clientId,
        CleanSession = true,
        Username = secrets.Username,
        Password = secrets.Password is { } password ? Encoding.UTF8.GetBytes(password) : null,
        KeepAlivePeriod = (ushort)options.KeepAlive.TotalSeconds,
        MaximumPacketSize = PacketReader.MaxPacket,
        RequestProblemInformation = true, // the default, which needs no property
        WillFlag = true,
        WillTopic = will.Topic.Name,
        WillMessage = will.Payload,
        WillQoS = (MqttQualityOfServiceLevel)will.Topic.Qos,
        WillRetain = will.Topic.Retain,
        WillUserProperties = MqttNetConnection.Properties(will.UserProperties),
    };
}
