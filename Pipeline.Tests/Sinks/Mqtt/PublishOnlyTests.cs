using System.Diagnostics;
using System.Globalization;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Brokers on which a publisher may not subscribe: results flow, what needs a subscription is given up and
/// logged once.</summary>
public sealed class PublishOnlyTests
{
    private const int GivenUp = 3015, Subscribed = 3016, NotConnected = 3002;
    private static readonly byte[] s_accepted5 = ScriptedBroker.Accepted, s_accepted311 = [0x20, 0x02, 0x00, 0x00];
    private static readonly TimeProvider s_time = TimeProvider.System;

    [Theory]
    [InlineData("suback", 0x87, "5", 1)]
    [InlineData("suback", 0x80, "3.1.1", 1)]
    [InlineData("disconnect", 0x87, "5", 2)]
    [InlineData("disconnect", 0xA2, "5", 2)]
    [InlineData("disconnect", 0x80, "5", 3)] // no reason of a subscription: the next connection proves it
    [InlineData("disconnect", 0x00, "5", 3)]
    [InlineData("close", 0, "5", 3)]
    [InlineData("close", 0, "3.1.1", 3)]
    public async Task Subscribe_Refused_IsGivenUpOnceAndNeverTriedAgain(
        string how, byte reason, string protocol, int connections)
    {
        var v5 = protocol == "5";
        await using var broker = new ScriptedBroker(v5 ? s_accepted5 : s_accepted311,
            id => v5 ? ScriptedBroker.Puback(id, 0) : [0x40, 0x02, (byte)(id >> 8), (byte)id])
        {
            OnSubscribe = id => how switch
            {
                "suback" => ScriptedBroker.Suback(id, reason, v5),
                "disconnect" => [0xE0, 0x02, reason, 0x00],
                _ => [],
            },
        };
        await using var rig = new MqttRig(broker.Url, o => o.Protocol = EnumName.Parse<MqttProtocol>(protocol));
        await rig.StartAsync();
        await Eventually.TrueAsync(() => rig.Logged(GivenUp).Count == 1 && rig.Connected, "the sweep is given up");
        await rig.Sink.PublishAsync(SomeResult.Event(s_time), default);
        await rig.Sink.FlushAsync(default);
        Assert.Equal(connections, broker.Connections);
        Assert.StartsWith($"Retained topics of cameras that are gone are not cleared: {broker.Url} ",
            rig.Logged(GivenUp)[0], StringComparison.Ordinal);

        var asked = broker.Of(8).Count();
        await rig.Transport.CutAsync();
        await Eventually.TrueAsync(() => rig.Connected && broker.Connections == connections + 1, "connected again");
        await rig.Sink.FlushAsync(default);
        await rig.Transport.CutAsync();
        await Eventually.TrueAsync(() => rig.Connected && broker.Connections == connections + 2, "and again");
        await rig.Sink.FlushAsync(default);
        Assert.Equal(asked, broker.Of(8).Count());
        Assert.Single(rig.Logged(GivenUp));
        Assert.DoesNotContain(rig.Logged(NotConnected), text => text.Contains("Ok", StringComparison.Ordinal));
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.disconnects", "reason=ok"));
    }

    [Fact]
    public async Task Subscribe_EveryConnection_ComesAfterTheFirstAcknowledgement()
    {
        await using var broker = new ScriptedBroker(s_accepted5, id => ScriptedBroker.Puback(id, 0))
        {
            OnSubscribe = id => ScriptedBroker.Suback(id, 1),
        };
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await Eventually.TrueAsync(() => rig.Logged(Subscribed).Count == 1, "subscribed");
        await rig.Transport.CutAsync();
        await Eventually.TrueAsync(() => rig.Logged(Subscribed).Count == 2, "subscribed again");
        foreach (var connection in broker.Seen.GroupBy(p => p.Connection))
        {
            var kinds = connection.Select(p => p.Kind).ToList();
            Assert.InRange(kinds.IndexOf(8), 2, int.MaxValue); // CONNECT, PUBLISH, …
            Assert.Equal(3, kinds[1]);
        }
    }

    [Fact]
    public async Task Subscribe_ConnectionLostOnceMeanwhile_IsTriedAgainAndKept()
    {
        var asked = 0;
        await using var broker = new ScriptedBroker(s_accepted5, id => ScriptedBroker.Puback(id, 0))
        {
            OnSubscribe = id => Interlocked.Increment(ref asked) % 2 == 1 ? [] : ScriptedBroker.Suback(id, 1),
        };
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await Eventually.TrueAsync(() => rig.Logged(Subscribed).Count == 1, "subscribed");
        // The suspicion has gone with the answer: another loss is again the first.
        await rig.Transport.CutAsync();
        await Eventually.TrueAsync(() => rig.Logged(Subscribed).Count == 2, "subscribed again");
        Assert.Empty(rig.Logged(GivenUp));
    }

    [Fact]
    public async Task Commands_NoWildcards_AreNotReceivedWhichIsLoggedOnce()
    {
        // CONNACK with Wildcard Subscription Available 0.
        await using var broker =
            new ScriptedBroker([0x20, 0x05, 0x00, 0x00, 0x02, 0x28, 0x00], id => ScriptedBroker.Puback(id, 0));
        await using var rig = new MqttRig(broker.Url, o => o.Commands.Enabled = true, commands: new NoCommands());
        await rig.StartAsync();
        await Eventually.TrueAsync(() => rig.Logged(GivenUp).Count == 2, "both are given up");
        Assert.Equal(
            [
                $"Commands are not received: {broker.Url} allows no subscriptions with wildcards. It is not tried "
                    + "again before the next start.",
                $"Retained topics of cameras that are gone are not cleared: {broker.Url} allows no subscriptions with "
                    + "wildcards. It is not tried again before the next start.",
            ], rig.Logged(GivenUp));
        await rig.Transport.CutAsync();
        await Eventually.TrueAsync(() => rig.Connected && broker.Connections == 2, "connected again");
        await rig.Sink.FlushAsync(default);
        Assert.Equal(2, rig.Logged(GivenUp).Count);
        Assert.Empty(broker.Of(8));
    }

    /// <summary>Case 04 of the field with its own broker.</summary>
    [Theory]
    [InlineData("--no-wildcards", "5", 1)]
    [InlineData("--close-on-subscribe", "5", 3)]
    [InlineData("--close-on-subscribe", "3.1.1", 3)]
    public async Task FieldCase_PublishOnly_ResultsArrive(string option, string protocol, int connections)
    {
        var port = FreePorts.Next();
        using var broker = Process.Start(new ProcessStartInfo("python3",
            [Shared.Path("data/cases/field/tools/broker.py"), port.ToString(CultureInfo.InvariantCulture), option])
        { RedirectStandardOutput = true })!;
        var url = $"mqtt://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}";
        await using (var rig = new MqttRig(url, o => o.Protocol = EnumName.Parse<MqttProtocol>(protocol)))
        {
            await rig.StartAsync();
            for (var i = 0; rig.Logged(GivenUp).Count == 0 || !rig.Connected; i++)
            {
                await rig.Sink.PublishAsync(SomeResult.Provisional(s_time, i), default);
                await Task.Delay(TimeSpan.FromMilliseconds(20), s_time);
            }

            await rig.Sink.PublishAsync(SomeResult.Provisional(s_time, 9000), default);
            await rig.Sink.PublishAsync(SomeResult.Final(s_time, 0, 2), default);
            await rig.Sink.PublishAsync(SomeResult.Event(s_time), default);
            await rig.Sink.PublishAsync(SomeResult.Status(s_time), default);
            await rig.Sink.FlushAsync(default);
            Assert.Equal(connections, rig.Metrics.Sum("dvis.mqtt.connects", "reason=ok"));
            Assert.Single(rig.Logged(GivenUp));
            Assert.Equal(connections - 1, rig.Metrics.Sum("dvis.mqtt.disconnects"));
        }

        await MosquittoBroker.RunAsync("kill", broker.Id.ToString(CultureInfo.InvariantCulture));
        var got = await broker.StandardOutput.ReadToEndAsync();
        Assert.Contains("camera/front/tracks QoS 0", got, StringComparison.Ordinal);
        Assert.Contains("camera/front/tracks/final QoS 1", got, StringComparison.Ordinal);
        Assert.Contains("camera/front/events QoS 1", got, StringComparison.Ordinal);
        Assert.Contains("camera/front/state QoS 1 retained", got, StringComparison.Ordinal);
        Assert.Equal(connections, got.Split("CONNECT ").Length - 1);
    }

    private sealed class NoCommands : ICameraCommands
    {
        public Task<CommandAnswer> ExecuteAsync(string camera, string verb) =>
            throw new InvalidOperationException("no command comes");
    }
}
