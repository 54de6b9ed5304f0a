using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Unknown after a restart: what stays retained of cameras and classes that are
/// gone would be taken for the truth for ever.</summary>
public sealed class RetainedSweepTests
{
    [Theory, InlineData("5"), InlineData("3.1.1")]
    public async Task StartAsync_CameraAndClassGone_TheirRetainedTopicsAreCleared(string protocol)
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using (var first =
            new MqttRig(broker.Url, o => o.Protocol = EnumName.Parse<MqttProtocol>(protocol), Context("front", "back")))
        {
            await first.StartAsync();
            await first.Sink.FlushAsync(default);
        }

        await MosquittoBroker.RunAsync("mosquitto_pub",
            [.. broker.ClientArguments(), "-r", "-q", "1", "-t", "dvis/v1/gate-4/camera/back/state", "-m", "theirs"]);
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await subscriber.WaitAsync("camera/back/state");
        await subscriber.WaitAsync("camera/front/count/person");

        await using var rig = new MqttRig(broker.Url, o => o.Protocol = EnumName.Parse<MqttProtocol>(protocol),
            Context("front") with { Cameras = [new("front", new() { Labels = ["car"] })] });
        await rig.StartAsync();
        string[] expected =
        [
            "gate-3/availability", "gate-3/camera/front/availability", "gate-3/camera/front/count/car",
                "gate-3/camera/front/state", "gate-3/labels", "gate-3/status",
            "gate-4/camera/back/state", // another node's
        ];
        await Eventually.TrueAsync(() => Standing(subscriber).SequenceEqual(expected),
            "only what is published now is retained");
        await rig.Sink.FlushAsync(default);
        await using var late = await MqttSubscriber.StartAsync(broker);
        await Eventually.TrueAsync(() => Standing(late).SequenceEqual(expected));
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=failed"));
    }

    private static SinkContext Context(params string[] cameras) =>
        SomeResult.Context() with { Cameras = [.. cameras.Select(c => new SinkCamera(c, new()))] };

    /// <summary>Topics whose last message is not empty.</summary>
    private static IEnumerable<string> Standing(MqttSubscriber subscriber)
        => subscriber.Received.GroupBy(m => m.Topic).Where(t => t.Last().Payload.Length > 0)
            .Select(t => t.Key["dvis/v1/".Length..]).Order(StringComparer.Ordinal);
}
