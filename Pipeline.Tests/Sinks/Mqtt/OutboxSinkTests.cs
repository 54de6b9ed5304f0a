using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Broker outage over a restart of the service, with a real broker.</summary>
public sealed class OutboxSinkTests : IDisposable
{
    private const string Final = "camera/front/tracks/final", Events = "camera/front/events",
        Masks = "camera/front/masks/final";
    private const string Old = "01AAAAAAAAAAAAAAAAAAAAAAAA", New = "01BBBBBBBBBBBBBBBBBBBBBBBB";
    private static readonly TimeProvider Time = TimeProvider.System;
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData("5"), InlineData("3.1.1")]
    public async Task Restart_BrokerWasAway_OldRunGoesFirstMarkedAsSuch(string protocol)
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await broker.KillAsync();
        await using (var before = Rig(broker, protocol, Old))
        {
            await before.Sink.StartAsync(default);
            for (var i = 0; i < 20; i++)
            {
                await before.Sink.PublishAsync(SomeResult.Provisional(Time, i), default);
                await before.Sink.PublishAsync(SomeResult.Final(Time, i, i), default);
                await before.Sink.PublishAsync(SomeResult.Event(Time, EventKind.TrackUpdated, i + 1), default);
            }

            await before.Sink.PublishAsync(SomeResult.Final(Time, 20, 22), default);
        }

        await broker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var after = Rig(broker, protocol, New);
        await after.StartAsync();
        await after.Sink.PublishAsync(SomeResult.Final(Time, 0, 0), default);
        await after.Sink.FlushAsync(default);

        var finals = (await subscriber.WaitAsync(Final, 22)).Select(m => WireSchemas.Valid("final", m.Payload))
            .ToList();
        Assert.Equal([.. Enumerable.Range(1, 21).Select(i => (Old, (long)i, true)), (New, 1, false)],
            finals.Select(f =>
                (f.GetProperty("session").GetString()!, f.GetProperty("seq")
                    .GetInt64(), f.TryGetProperty("historical", out _))));
        var events = await subscriber.WaitAsync(Events, 20);
        if (protocol == "5")
            Assert.Equal(Enumerable.Range(1, 20).Select(i => $"id:{SomeResult.Epoch}-e{i}"), events.Select(e =>
                e.UserProperties.Split(' ').Single(p => p.StartsWith("id:", StringComparison.Ordinal))));
        // One message a frame; what is no JSON says it beside the payload.
        var masks = await subscriber.WaitAsync(Masks, 24);
        Assert.Equal(Enumerable.Range(0, 24).Select(i => protocol == "5" && i < 23 ? "historical:true" : ""),
            masks.Select(m => m.UserProperties));
        // What is provisional is never late: it is not kept at all.
        Assert.Empty(subscriber.On("camera/front/tracks"));
        Assert.Equal((22, 20, 24), (Acked("final"), Acked("event"), Acked("masks")));

        double Acked(string kind) => after.Metrics.Sum("dvis.mqtt.messages", $"kind={kind}", "outcome=acked");
    }

    [Fact]
    public async Task Restart_EverythingWasAcknowledged_RepeatsNothing()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        for (var run = 0; run < 2; run++)
        {
            await using var rig = Rig(broker, "5", run == 0 ? Old : New);
            await rig.StartAsync();
            await rig.Sink.PublishAsync(SomeResult.Final(Time, 0, 0), default);
            await rig.Sink.FlushAsync(default);
        }

        await subscriber.WaitAsync(Final, 2);
        Assert.Equal([Old, New], subscriber.On(Final)
            .Select(m => WireSchemas.Valid("final", m.Payload).GetProperty("session").GetString()));
    }

    [Fact]
    public async Task SmallPackets_OfALaterBroker_DocumentsAreMadeToFitAndOldMessagesAreCounted()
    {
        await using var broker = await MosquittoBroker.StartAsync(["max_packet_size 2048"]);
        await broker.KillAsync();
        await using (var rig = Rig(broker, "5", Old))
        {
            await rig.Sink.StartAsync(default);
            // Made before anybody knew: one part, too large.
            await rig.Sink.PublishAsync(SomeResult.Final(Time, 3, 40, SomeResult.FinalTrack(1, 3, 40),
                SomeResult.FinalTrack(2, 3, 40)), default);
            await broker.StartAsync();
            await Eventually.TrueAsync(() => rig.Connected);
            await rig.Sink.FlushAsync(default);
            Assert.Equal(1, rig.Metrics.Sum("dvis.outbox.dropped", "reason=too_large"));
        }

        // The next run knows it from the start.
        await broker.KillAsync();
        await using var next = Rig(broker, "5", New);
        await next.Sink.StartAsync(default);
        await next.Sink.PublishAsync(
            SomeResult.Final(Time, 3, 40, SomeResult.FinalTrack(1, 3, 40), SomeResult.FinalTrack(2, 3, 40)), default);
        await broker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await Eventually.TrueAsync(() => next.Connected);
        await next.Sink.FlushAsync(default);
        Assert.Equal(0, next.Metrics.Sum("dvis.outbox.dropped"));
        await subscriber.WaitAsync("gate-3/status");
        Assert.All(subscriber.Received, m => Assert.InRange(m.Payload.Length, 0, 2048));
    }

    private MqttRig Rig(MosquittoBroker broker, string protocol, string session)
    {
        var context = SomeResult.Context(new() { Masks = MaskOutput.On }) with { Session = session };
        return new(broker.Url, o =>
            (o.Protocol, o.Outbox.Path) = (EnumName.Parse<MqttProtocol>(protocol), _folder.Root), context);
    }
}
