using System.Text.Json;
using Dvis.Streaming.Pipeline.Publishing;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks;
using Dvis.Streaming.Sinks.Mqtt;

namespace Dvis.Streaming.Pipeline.Tests.Sinks;

/// <summary>Against a real broker, seen by an independent client.</summary>
public sealed class MqttSinkTests : IDisposable
{
    private const string Camera = "dvis/v1/gate-3/camera/front";
    private static readonly TimeProvider Time = TimeProvider.System;
    private readonly MetricProbe _metrics = new();
    private readonly LogProbe<MqttSink> _log = new();

    public void Dispose() => _metrics.Dispose();

    [Fact]
    public async Task StartAsync_Broker_RetainsBirth()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var sink = Sink(broker);
        await sink.StartAsync(default);
        await sink.FlushAsync(default);

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
        Assert.Contains("\"state\":\"starting\"", (await late.WaitAsync($"{Camera}/state"))[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PublishAsync_EveryMessage_HasItsTopicQosRetainAndExpiry()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var sink = Sink(broker, SomeResult.Context(new() { Masks = "on" }));
        await ConnectedAsync(sink);
        await PublishAllAsync(sink);
        await sink.FlushAsync(default);

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
            Assert.Equal((qos, retain, expiry, contentType), (message.Qos, message.Retain, message.Expiry, message.ContentType));
        }
    }

    [Fact]
    public async Task FlushAsync_TrailingQos0_IsProvedByTheStatus()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var sink = Sink(broker);
        await ConnectedAsync(sink);
        for (var i = 1; i <= 5; i++) await sink.PublishAsync(SomeResult.Provisional(Time, i), default);
        await sink.FlushAsync(default);
        Assert.Equal(5, _metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=sent"));
        Assert.Equal(5, _metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=acked"));
        Assert.Equal(5, _metrics.Records("dvis.frame.latency", "camera=front", "stage=provisional"));
        Assert.Equal(5, _metrics.Records("dvis.frame.capture_latency", "camera=front"));
    }

    private MqttSink Sink(MosquittoBroker broker, SinkContext? context = null, Action<MqttOptions>? change = null)
    {
        var options = new MqttOptions { Servers = [broker.Url], Backoff = { Initial = TimeSpan.FromMilliseconds(20), Max = TimeSpan.FromMilliseconds(100) } };
        change?.Invoke(options);
        return new(options, context ?? SomeResult.Context(), _metrics.Metrics, Time, _log);
    }

    private async Task ConnectedAsync(MqttSink sink)
    {
        await sink.StartAsync(default);
        await Eventually.TrueAsync(() => _metrics.Sum("dvis.mqtt.connected") == 1, "connected");
    }

    private static async Task PublishAllAsync(MqttSink sink)
    {
        await sink.PublishAsync(SomeResult.Status(Time), default);
        await sink.PublishAsync(SomeResult.Event(Time, EventKind.TrackStarted), default);
        await sink.PublishAsync(SomeResult.Provisional(Time, 7, SomeResult.Track()), default);
        await sink.PublishAsync(SomeResult.Final(Time, 3, 5, SomeResult.FinalTrack()), default);
    }
}
