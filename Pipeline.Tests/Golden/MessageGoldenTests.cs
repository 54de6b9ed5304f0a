using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Golden;

/// <summary>
/// The MQTT contract of the shipped sample: program, broker and an independent subscriber; every kind of message and
/// topic.
/// </summary>
[Collection(nameof(Alone))]
public sealed class MessageGoldenTests
{
    [Theory]
    [InlineData("vis", "5")]
    [InlineData("vis", "3.1.1")]
    [InlineData("vps", "5")]
    [InlineData("vss", "5")]
    public async Task Run_Sample_PublishesTheAgreedMessages(string task, string protocol)
    {
        await using var daemon = await SampleDaemon.StartAsync(task, protocol);
        if (protocol == "5") await daemon.CommandAsync();
        await daemon.EndAsync();
        var messages = daemon.Subscriber.Received.Where(m => !m.Topic.Contains("/keeper/", StringComparison.Ordinal));
        await GoldenFile.CheckAsync($"messages-{task}-mqtt{protocol}.txt", MessageTranscript.Of([.. messages]));
    }
}
