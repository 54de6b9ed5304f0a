using System.Text;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Brokers with Retain Available 0 or Maximum QoS 0: one line names what is lost, the rest is sent.</summary>
public sealed class BrokerLimitsTests
{
    private const int Loss = 3017, NotConnected = 3002;
    private static readonly TimeProvider s_time = TimeProvider.System;

    [Theory]
    [InlineData("retain_available false", 1, false, 2)] // refuses the will, and is asked again without
    [InlineData("max_qos 0", 0, true, 2)]
    [InlineData("max_qos 0\nretain_available false", 0, false, 3)]
    public async Task Mosquitto_GrantsLess_GetsWhatItTakes(string setting, int qos, bool retain, int attempts)
    {
        await using var broker = await MosquittoBroker.StartAsync([setting], announceReady: false);
        await using var rig = new MqttRig(broker.Url, o => o.Backoff.Initial = o.Backoff.Max = TimeSpan.FromHours(1));
        await rig.StartAsync();
        await rig.Sink.PublishAsync(SomeResult.Provisional(s_time), default);
        await rig.Sink.PublishAsync(SomeResult.Final(s_time), default);
        await rig.Sink.PublishAsync(SomeResult.Event(s_time), default);
        await rig.Sink.FlushAsync(default);
        Assert.True(rig.Connected);
        Assert.Equal(attempts, rig.Metrics.Sum("dvis.mqtt.connects"));
        Assert.Empty(rig.Logged(NotConnected));
        var line = Assert.Single(rig.Logged(Loss));
        Assert.StartsWith($"{broker.Url} accepts ", line, StringComparison.Ordinal);
        Assert.Equal(qos == 0, line.Contains("QoS 0 only", StringComparison.Ordinal));
        Assert.Equal(!retain, line.Contains("no retained messages", StringComparison.Ordinal));
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=failed"));
        Assert.Equal(qos, Math.Sign(rig.Metrics.Sum("dvis.mqtt.messages", "kind=final", "outcome=acked")));
        Assert.Equal(1, rig.Metrics.Sum("dvis.mqtt.messages", "kind=final", "outcome=sent"));
    }

    [Theory]
    [InlineData(0x24, 0, true)]
    [InlineData(0x25, 1, false)]
    public async Task Connack_GrantsLess_IsKeptToAndInTheStatus(byte property, int qos, bool retain)
    {
        await using var broker =
            new ScriptedBroker([0x20, 0x05, 0x00, 0x00, 0x02, property, 0x00], id => ScriptedBroker.Puback(id, 0));
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await PublishAsync(rig, broker, 1, qos, retain);
        await rig.Transport.CutAsync();
        await PublishAsync(rig, broker, 2, qos, retain);
        Assert.Single(rig.Logged(Loss));
    }

    [Theory]
    [InlineData(0x9A, 1, false)]
    [InlineData(0x9B, 0, true)]
    public async Task Disconnect_ForAMessage_IsLearned(byte reason, int qos, bool retain)
    {
        ScriptedBroker? peer = null;
        // CONNACK has nothing about it.
        await using var broker = peer = new(ScriptedBroker.Accepted, id =>
            peer!.Seen.Last().Qos > qos || (peer.Seen.Last().Retain && !retain)
                ? [0xE0, 0x02, reason, 0x00]
                : ScriptedBroker.Puback(id, 0));
        await using var rig = new MqttRig(broker.Url);
        await rig.Sink.StartAsync(default);
        await PublishAsync(rig, broker, 2, qos, retain);
        Assert.Equal(2, broker.Connections);
        Assert.Single(rig.Logged(Loss));
        Assert.Single(rig.Logged(NotConnected));
    }

    [Theory]
    [InlineData("mqtt://[::1]:1883", "mqtt://[::1]:1883")]
    [InlineData("mqtts://[fe80::1]", "mqtts://[fe80::1]:8883")]
    [InlineData("mqtt://127.0.0.1", "mqtt://127.0.0.1:1883")]
    public void MqttServer_ToString_IsAnAddressThatCanBeUsed(string text, string printed)
    {
        var server = MqttServer.TryParse(text)!;
        Assert.Equal(printed, server.ToString());
        Assert.Equal(server, MqttServer.TryParse(printed));
    }

    /// <summary>Publishes a final and an event on this connection, and looks at all that it carried.</summary>
    private static async Task PublishAsync(MqttRig rig, ScriptedBroker broker, int connection, int qos, bool retain)
    {
        await Eventually.TrueAsync(() => rig.Connected && broker.Connections == connection, "connected");
        await rig.Sink.PublishAsync(SomeResult.Final(s_time), default);
        await rig.Sink.PublishAsync(SomeResult.Event(s_time), default);
        await rig.Sink.FlushAsync(default);
        await Eventually.TrueAsync(() => On("/tracks/final").Any() && On("/events").Any(), "both arrive");
        Assert.Equal(qos, broker.Of(3).Where(p => p.Connection == connection).Max(p => p.Qos));
        Assert.Equal(retain, broker.Of(3).Any(p => p.Connection == connection && p.Retain));
        var status = Encoding.UTF8.GetString(On("gate-3/status").Last().Body);
        var json = WireSchemas.Valid("status", Encoding.UTF8.GetBytes(status[status.IndexOf('{')..]));
        var limits = json.GetProperty("limits");
        Assert.Equal((qos, retain), (limits.GetProperty("qos").GetInt32(), limits.GetProperty("retain").GetBoolean()));

        IEnumerable<ScriptedPacket> On(string topic) => broker.Of(3).Where(p =>
            p.Connection == connection && p.Topic.EndsWith(topic, StringComparison.Ordinal));
    }
}
