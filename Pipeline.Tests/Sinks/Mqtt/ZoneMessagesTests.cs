using System.Text;
using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Counts and events of zones and lines, at a real broker.</summary>
public sealed class ZoneMessagesTests
{
    private const string Door = "dvis/v1/gate-3/camera/front/zone/door/count";
    private static readonly TimeProvider Time = TimeProvider.System;
    private static readonly SinkCamera s_front = new("front", new()) { Zones = ["door"] };

    [Fact]
    public async Task PublishAsync_Counts_AreRetainedOnChange()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = await StartAsync(broker);
        foreach (var tracks in (int[])[0, 2, 2, 1]) await ShowAsync(rig, tracks);
        await rig.Sink.PublishAsync(SomeResult.Status(Time, CameraState.Offline), default);
        await ShowAsync(rig, 3);
        await rig.Sink.FlushAsync(default);

        var counts = await subscriber.WaitAsync(Door, 5);
        Assert.Equal(["0", "2", "1", "0", "3"], counts.Select(m => m.Text));
        await using var late = await MqttSubscriber.StartAsync(broker);
        var kept = (await late.WaitAsync(Door))[0];
        Assert.Equal(("3", 1, true), (kept.Text, kept.Qos, kept.Retain));
    }

    [Fact]
    public async Task PublishAsync_ZoneOrCameraRemoved_ItsCountIsCleared()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var rig = await StartAsync(broker);
        await ShowAsync(rig, 1);
        await ShowAsync(rig, 1, "hall"); // a frame before the change
        await rig.Sink.PublishAsync(new CamerasChanged([s_front with { Zones = ["hall", "yard"] }], "HASH2"), default);
        await ShowAsync(rig, 2, "hall");
        await rig.Sink.FlushAsync(default);
        await AssertStandingAsync(broker, "front/zone/hall/count=2", "front/zone/yard/count=0");

        await rig.Sink.PublishAsync(new CamerasChanged([new("back", new())], "HASH3"), default);
        await rig.Sink.FlushAsync(default);
        await AssertStandingAsync(broker);
    }

    [Fact]
    public async Task StartAsync_ZoneGoneSinceTheLastRun_ItsCountIsCleared()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using (var before = await StartAsync(broker)) await before.Sink.FlushAsync(default);
        await AssertStandingAsync(broker, "front/zone/door/count=0");

        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await rig.Sink.FlushAsync(default);
        await AssertStandingAsync(broker);
    }

    [Theory]
    [InlineData(EventKind.TrackZoneEntered, "io.dvis.track.zone_entered", """{"zone":"door","basis":"provisional"}""")]
    [InlineData(EventKind.TrackZoneLeft, "io.dvis.track.zone_left",
        """{"zone":"door","basis":"final","dwell_s":1.235,"confirms":"01JSESS0N00000000000000000-e1"}""")]
    [InlineData(EventKind.TrackZoneRetracted, "io.dvis.track.zone_retracted",
        """{"zone":"door","basis":"final","retracts":"01JSESS0N00000000000000000-e1"}""")]
    [InlineData(EventKind.TrackLineCrossed, "io.dvis.track.line_crossed",
        """{"line":"door","basis":"provisional","direction":"right_to_left"}""")]
    [InlineData(EventKind.TrackLineRetracted, "io.dvis.track.line_retracted",
        """{"line":"door","basis":"final","direction":"left_to_right","retracts":"01JSESS0N00000000000000000-e1"}""")]
    public async Task PublishAsync_Event_HasTheFactsAndIsValidByItsSchema(EventKind kind, string type, string facts)
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = await StartAsync(broker, o => o.Protocol = MqttProtocol.V311);
        var expected = JsonNode.Parse(facts)!.AsObject();
        await rig.Sink.PublishAsync(SomeResult.Event(Time, kind) with { Zone = Facts(expected) }, default);

        var cloudEvent = WireSchemas.Valid("cloudevent", (await subscriber.WaitAsync("front/events"))[0].Payload);
        Assert.Equal(type, cloudEvent.GetProperty("type").GetString());
        var data = cloudEvent.GetProperty("data").GetRawText();
        WireSchemas.Valid("event", Encoding.UTF8.GetBytes(data));
        var found = JsonNode.Parse(data)!.AsObject();
        string[] keys = ["zone", "line", "basis", "dwell_s", "direction", "confirms", "retracts"];
        Assert.Equal(
            expected.ToDictionary(f => f.Key, f => f.Value!.ToJsonString()),
            found.Where(f => keys.Contains(f.Key)).ToDictionary(f => f.Key, f => f.Value!.ToJsonString()));
    }

    private static ZoneFacts Facts(JsonObject facts) => new(
        "door", facts.ContainsKey("line"), EnumName.Parse<ZoneBasis>((string)facts["basis"]!),
        facts.ContainsKey("dwell_s") ? 1.23456 : null,
        facts["direction"] is { } direction ? EnumName.Parse<LineDirection>((string)direction!) : null,
        (string?)facts["confirms"], (string?)facts["retracts"]);

    private static async Task<MqttRig> StartAsync(MosquittoBroker broker, Action<MqttOptions>? change = null)
    {
        var rig = new MqttRig(broker.Url, change, SomeResult.Context() with { Cameras = [s_front] });
        await rig.StartAsync();
        return rig;
    }

    private static async Task ShowAsync(MqttRig rig, int tracks, string zone = "door") => await rig.Sink.PublishAsync(
        SomeResult.Provisional(Time) with { Zones = [new(zone, tracks)] }, default);

    /// <summary>What a new subscriber gets of zones.</summary>
    private static async Task AssertStandingAsync(MosquittoBroker broker, params string[] expected)
    {
        await Eventually.TrueAsync(async () =>
        {
            await using var late = await MqttSubscriber.StartAsync(broker);
            await late.WaitAsync("gate-3/status");
            await late.SettledAsync();
            return late.Received.Where(m => m.Topic.Contains("/zone/", StringComparison.Ordinal))
                .Select(m => $"{m.Topic["dvis/v1/gate-3/camera/".Length..]}={m.Text}").Order().SequenceEqual(expected);
        }, string.Join(", ", expected));
    }
}
