using System.Text.Json;
using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Protos;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Against a real broker, seen by an independent client.</summary>
public sealed class MqttSinkTests
{
    private const string Camera = "dvis/v1/gate-3/camera/front";
    private static readonly TimeProvider Time = TimeProvider.System;

    [Fact]
    public async Task StartAsync_Broker_RetainsBirth()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await rig.Sink.FlushAsync(default);

        await using var late = await MqttSubscriber.StartAsync(broker);
        var availability = (await late.WaitAsync("gate-3/availability"))[0];
        Assert.Equal(("online", 1, true), (availability.Text, availability.Qos, availability.Retain));
        Assert.Equal($"session:{SomeResult.Session}", availability.UserProperties);
        using var status = JsonDocument.Parse((await late.WaitAsync("gate-3/status"))[0].Payload);
        Assert.Equal(3000, status.RootElement.GetProperty("limits").GetProperty("final_deadline_ms").GetInt32());
        Assert.Equal("front", status.RootElement.GetProperty("cameras")[0].GetProperty("name").GetString());
        using var labels = JsonDocument.Parse((await late.WaitAsync("gate-3/labels"))[0].Payload);
        Assert.Equal("traffic light", labels.RootElement.GetProperty("classes")[2].GetProperty("name").GetString());
        await late.WaitTextAsync($"{Camera}/availability", "offline");
        await late.WaitTextAsync($"{Camera}/count/traffic_light", "0");
        Assert.Contains("\"state\":\"starting\"", (await late.WaitAsync($"{Camera}/state"))[0].Text,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task PublishAsync_CamerasChanged_RetainsWhatHoldsNow()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var rig = new MqttRig(broker.Url, context: SomeResult.Context(cameras: ["front", "back"]));
        await rig.StartAsync();
        await rig.Sink.PublishAsync(
            new CamerasChanged([new("front", new() { Labels = ["car"] }), new("side", new())], "HASH2"), default);
        await rig.Sink.FlushAsync(default);

        await using var late = await MqttSubscriber.StartAsync(broker);
        using var status = JsonDocument.Parse((await late.WaitAsync("gate-3/status"))[0].Payload);
        Assert.Equal("HASH2", status.RootElement.GetProperty("config_hash").GetString());
        Assert.Equal(["front", "side"], status.RootElement.GetProperty("cameras").EnumerateArray()
            .Select(c => c.GetProperty("name").GetString()));
        await late.WaitTextAsync("side/availability", "offline");
        await late.WaitTextAsync("side/count/traffic_light", "0");
        await late.WaitTextAsync("front/count/car", "0");
        Assert.Empty(late.On("front/count/traffic_light"));
        Assert.DoesNotContain(late.Received, m => m.Topic.Contains("/back/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task PublishAsync_CameraRemovedAndAddedAgain_CountsOnInTheSession()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url, context: SomeResult.Context(cameras: ["front", "back"]));
        await rig.StartAsync();
        await rig.Sink.PublishAsync(SomeResult.Final(Time, 3, 5, SomeResult.FinalTrack()), default);
        await rig.Sink.PublishAsync(new CamerasChanged([new("back", new())], "HASH2"), default);
        await rig.Sink.PublishAsync(new CamerasChanged([new("back", new()), new("front", new())], "HASH3"), default);
        await rig.Sink.PublishAsync(SomeResult.Final(Time, 6, 8, SomeResult.FinalTrack()), default);
        await rig.Sink.FlushAsync(default);

        var finals = await subscriber.WaitAsync($"{Camera}/tracks/final", 2);
        Assert.Equal([1, 2], finals.Select(f => (int)JsonNode.Parse(f.Text)!["seq"]!));
    }

    [Fact]
    public async Task PublishAsync_EveryMessage_HasItsTopicQosRetainAndExpiry()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url, context: SomeResult.Context(new() { Masks = MaskOutput.On }));
        await rig.StartAsync();
        await PublishAllAsync(rig.Sink);
        await rig.Sink.FlushAsync(default);

        await ExpectAsync("/tracks", 0, retain: false, expiry: 2, "application/json");
        await ExpectAsync("/tracks/final", 1, retain: false, expiry: 3600, "application/json");
        await ExpectAsync("/masks", 0, retain: false, expiry: 2, "application/vnd.dvis.mask+protobuf;v=1");
        await ExpectAsync("/masks/final", 1, retain: false, expiry: 3600, "application/vnd.dvis.mask+protobuf;v=1");
        await ExpectAsync("/events", 1, retain: false, expiry: 86400, "application/json");
        await ExpectAsync("/state", 1, retain: true, expiry: null, "application/json");
        await ExpectAsync("/availability", 1, retain: true, expiry: null, "");
        await ExpectAsync("/count/car", 1, retain: true, expiry: null, "");
        Assert.Equal(["offline", "online"], subscriber.On($"{Camera}/availability").Select(m => m.Text));
        Assert.Equal(["0", "1"], subscriber.On($"{Camera}/count/car").Select(m => m.Text));

        async Task ExpectAsync(string topic, int qos, bool retain, int? expiry, string contentType)
        {
            var message = (await subscriber.WaitAsync(Camera + topic))[^1];
            Assert.Equal((qos, retain, expiry, contentType),
                (message.Qos, message.Retain, message.Expiry, message.ContentType));
        }
    }

    /// <summary>One that no message can hold is counted.</summary>
    [Fact]
    public async Task PublishAsync_Snapshot_IsAJpegOnTheTopicOfItsTrack()
    {
        byte[] jpeg = [0xFF, 0xD8, 0xFF, .. Enumerable.Range(0, 60_000).Select(i => (byte)i)];
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();

        await rig.Sink.PublishAsync(Snapshot(43, new byte[66_000]), default);
        await rig.Sink.PublishAsync(Snapshot(42, jpeg), default);
        await rig.Sink.FlushAsync(default);

        var message = Assert.Single(await subscriber.WaitAsync($"{Camera}/snapshot/{SomeResult.Epoch}-42"));
        Assert.Equal(jpeg, message.Payload);
        Assert.Equal((0, false, 3600, "image/jpeg"),
            (message.Qos, message.Retain, message.Expiry, message.ContentType));
        Assert.Equal($"track:{SomeResult.Epoch}-42 class_id:1 label:car score:0.912 frame_id:7 "
            + "stamp:2026-03-01T12:00:00.0000000Z box:10.5,20,30,40 crop:8,17,36,46", message.UserProperties);
        Assert.Empty(subscriber.On($"{Camera}/snapshot/{SomeResult.Epoch}-43"));

        static TrackSnapshot Snapshot(long track, byte[] jpeg) => new(
            "front", SomeResult.Epoch, track, 1, 0.912345f, Some.FrameInfo(640, 360, 7, "front"),
            new(10.5f, 20, 30, 40), new(8, 17, 36, 46), jpeg);
    }

    [Theory]
    [InlineData(CameraState.Offline)]
    [InlineData(CameraState.Disabled)]
    public async Task PublishAsync_CameraWithoutFrames_CountsNothing(CameraState state)
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await PublishAllAsync(rig.Sink);

        await rig.Sink.PublishAsync(SomeResult.Status(Time, state), default);
        await rig.Sink.FlushAsync(default);

        Assert.Equal(
            ["0", "1", "0"], (await subscriber.WaitAsync($"{Camera}/count/car", 3)).Select(m => m.Text));
    }

    [Fact]
    public async Task FlushAsync_TrailingQos0_IsProvedByTheStatus()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        for (var i = 1; i <= 8; i++)
        {
            await rig.Sink.PublishAsync(SomeResult.Provisional(Time, i), default);
            if (i is 5 or 8) await rig.Sink.FlushAsync(default);
        }

        Assert.Equal(8, rig.Metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=sent"));
        Assert.Equal(8, rig.Metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=acked"));
    }

    [Fact]
    public async Task PublishAsync_ScriptedClock_TotalIsTheWorkOfTheStagesAndTheWait()
    {
        var time = new ManualTime();
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url, time: time);
        await rig.StartAsync();
        var (shown, first) = (SomeResult.Provisional(time, 7), SomeResult.Frame(time, 6));
        time.Advance(TimeSpan.FromMilliseconds(20));
        var final = SomeResult.Final(time, 6, 7) with { Frames = [first, SomeResult.Frame(time, 7)] };

        time.Advance(TimeSpan.FromMilliseconds(100));
        await rig.Sink.PublishAsync(shown, default);
        time.Advance(TimeSpan.FromMilliseconds(30));
        await rig.Sink.PublishAsync(final, default);

        Assert.Equal(
            Latency(("total", 120), ("capture_to_publish", 160), ("queue", 25.7), ("segment", 2.1), ("track", 86.4),
                ("refine", 5.8)),
            await LatencyAsync("/tracks"));
        Assert.Equal(
            Latency(("total", 130), ("capture_to_publish", 170), ("queue", 30), ("segment", 2.1), ("track", 86.4),
                ("refine", 11.5)),
            await LatencyAsync("/tracks/final"));

        async Task<Dictionary<string, double>> LatencyAsync(string topic)
        {
            var json = JsonDocument.Parse((await subscriber.WaitAsync(Camera + topic))[0].Text).RootElement;
            return json.GetProperty("latency_ms").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetDouble());
        }

        static Dictionary<string, double> Latency(params (string Name, double Ms)[] parts) =>
            parts.ToDictionary(p => p.Name, p => p.Ms);
    }

    [Fact]
    public async Task PublishAsync_EveryMessage_IsValidByItsSchema()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig =
            new MqttRig(broker.Url, context: SomeResult.Context(new() { Masks = MaskOutput.On, Contours = true }));
        await rig.StartAsync();
        await PublishAllAsync(rig.Sink);
        foreach (var kind in Enum.GetValues<EventKind>())
            await rig.Sink.PublishAsync(SomeResult.Event(Time, kind, (int)kind + 2, summary: true), default);
        await rig.Sink.PublishAsync(SomeResult.Status(Time, CameraState.Offline)
            with
        { LastFrame = null, Epoch = null, NextRetrySeconds = 8 }, default);
        foreach (var kind in Enum.GetValues<CameraWarningKind>())
        {
            var warning = new CameraWarning(kind, new string('x', 300));
            await rig.Sink.PublishAsync(SomeResult.Status(Time) with { Warnings = [warning] }, default);
        }

        await rig.Sink.PublishAsync(SomeResult.Provisional(Time, 8), default);
        await rig.Sink.FlushAsync(default);
        await subscriber.WaitAsync("/status", 2);

        var seen = new HashSet<string>();
        foreach (var message in subscriber.Received)
        {
            if (WireSchemas.For(message.Topic) is not { } schema) continue;
            WireSchemas.Valid(schema, message.Payload);
            seen.Add(schema);
        }

        Assert.Equal(["event", "final", "labels", "state", "status", "tracks"], seen.Order());
        var empty = WireSchemas.Valid("tracks", subscriber.On($"{Camera}/tracks")[^1].Payload);
        Assert.Equal(0, empty.GetProperty("tracks").GetArrayLength());
        Assert.Equal(2, empty.GetProperty("seq").GetInt64());
        var masks = MaskFrame.Parser.ParseFrom(subscriber.On($"{Camera}/masks")[0].Payload);
        Assert.Equal(("front", 7ul, 42ul), (masks.Camera, masks.FrameId, masks.Masks[0].TrackN));
        Assert.Equal([3ul, 4ul, 5ul], subscriber.On($"{Camera}/masks/final")
            .Select(m => MaskFrame.Parser.ParseFrom(m.Payload).FrameId));
    }

    [Fact]
    public async Task PublishAsync_Event_IsACloudEventInBinaryMode()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await rig.Sink.PublishAsync(SomeResult.Event(Time, EventKind.TrackIdentityChanged, 9)
            with
        { Time = Some.Now, Into = 41 }, default);
        var message = (await subscriber.WaitAsync($"{Camera}/events"))[0];
        Assert.Equal(
            $"specversion:1.0 id:{SomeResult.Epoch}-e9 source:/dvis/gate-3/camera/front "
            + $"type:io.dvis.track.identity_changed time:2026-03-01T12:00:00.0000000Z subject:{SomeResult.Epoch}-42",
            message.UserProperties);
        var json = WireSchemas.Valid("event", message.Payload);
        Assert.Equal($"{SomeResult.Epoch}-41", json.GetProperty("into").GetString());
        Assert.Equal(SomeResult.Epoch, json.GetProperty("epoch").GetString());
    }

    [Fact]
    public async Task PublishAsync_Mqtt311_WorksWithoutPropertiesAndWithStructuredEvents()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url, o => o.Protocol = MqttProtocol.V311);
        await rig.StartAsync();
        await PublishAllAsync(rig.Sink);
        await rig.Sink.FlushAsync(default);
        var e = (await subscriber.WaitAsync($"{Camera}/events"))[0];
        Assert.Equal(("", "", (int?)null), (e.ContentType, e.UserProperties, e.Expiry));
        var cloudEvent = WireSchemas.Valid("cloudevent", e.Payload);
        Assert.Equal("io.dvis.track.started", cloudEvent.GetProperty("type").GetString());
        WireSchemas.Valid("event", System.Text.Encoding.UTF8.GetBytes(cloudEvent.GetProperty("data").GetRawText()));
        WireSchemas.Valid("final", (await subscriber.WaitAsync($"{Camera}/tracks/final"))[0].Payload);
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=failed"));
    }

    [Fact]
    public async Task PublishAsync_BrokerWithSmallPackets_SplitsToFit()
    {
        await using var broker = await MosquittoBroker.StartAsync(["max_packet_size 2048"]);
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url, context: SomeResult.Context(new() { Masks = MaskOutput.On }));
        await rig.StartAsync();
        var tracks = Enumerable.Range(1, 40).Select(n => SomeResult.Track(n)).ToArray();
        await rig.Sink.PublishAsync(SomeResult.Provisional(Time, 7, tracks), default);
        await rig.Sink.PublishAsync(
            SomeResult.Final(Time, 3, 40, SomeResult.FinalTrack(1, 3, 40), SomeResult.FinalTrack(2, 3, 40)), default);
        await rig.Sink.FlushAsync(default);
        await subscriber.WaitAsync("/status", 2); // the flush's own: everything before it is here
        var parts = (await subscriber.WaitAsync($"{Camera}/tracks", 2))
            .Select(m => WireSchemas.Valid("tracks", m.Payload)).ToList();
        Assert.Equal(40, parts.Sum(p => p.GetProperty("tracks").GetArrayLength()));
        Assert.Equal(parts.Count, parts[0].GetProperty("parts").GetInt32());
        Assert.All(subscriber.Received, m => Assert.InRange(m.Payload.Length, 0, 2048));
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=failed"));
        Assert.DoesNotContain(rig.Log.Entries, e => e.Level >= Microsoft.Extensions.Logging.LogLevel.Warning);
    }

    [Fact]
    public async Task DisposeAsync_Connected_SaysOffline()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await rig.Sink.PublishAsync(SomeResult.Status(Time), default);
        await rig.Sink.PublishAsync(SomeResult.Provisional(Time, 7, SomeResult.Track()), default);
        await rig.DisposeAsync();
        await subscriber.WaitTextAsync("gate-3/availability", "offline");
        Assert.Equal(["online", "offline"], subscriber.On("gate-3/availability").Select(m => m.Text));
        Assert.Equal(["offline", "online", "offline"], subscriber.On($"{Camera}/availability").Select(m => m.Text));
        Assert.Equal(["0", "1", "0"], subscriber.On($"{Camera}/count/car").Select(m => m.Text));
    }

    [Fact]
    public async Task Crash_NoGoodbye_WillSaysOffline()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await rig.Sink.FlushAsync(default);
        rig.Transport.Down = true;
        await rig.Transport.CutAsync();
        await using var late = await MqttSubscriber.StartAsync(broker);
        var will = await late.WaitTextAsync("gate-3/availability", "offline");
        Assert.Equal((1, true, $"session:{SomeResult.Session}"), (will.Qos, will.Retain, will.UserProperties));
    }

    [Fact]
    public async Task PublishAsync_ManyFramesAndReconnects_LosesNoFinal()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        var tracks = Enumerable.Range(1, 20).Select(n => SomeResult.Track(n)).ToArray();
        for (var i = 0; i < 1000; i++)
        {
            await rig.Sink.PublishAsync(SomeResult.Provisional(Time, i, tracks), default);
            if (i % 5 == 4)
                await rig.Sink.PublishAsync(SomeResult.Final(Time, i - 4, i, SomeResult.FinalTrack(1, i - 4, i)),
                    default);
            if (i % 200 == 100) await rig.Transport.CutAsync();
        }

        await rig.Sink.FlushAsync(default);
        Assert.Equal(200, rig.Metrics.Sum("dvis.mqtt.messages", "kind=final", "outcome=acked"));
        await rig.DisposeAsync();
    }

    private static async Task PublishAllAsync(MqttSink sink)
    {
        await sink.PublishAsync(SomeResult.Status(Time), default);
        await sink.PublishAsync(SomeResult.Event(Time, EventKind.TrackStarted), default);
        await sink.PublishAsync(SomeResult.Provisional(Time, 7, SomeResult.Track()), default);
        await sink.PublishAsync(SomeResult.Final(Time, 3, 5, SomeResult.FinalTrack()), default);
    }
}
