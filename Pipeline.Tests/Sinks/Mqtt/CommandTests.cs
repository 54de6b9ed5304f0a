using System.Collections.Concurrent;
using System.Diagnostics;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>"Anyone on the broker can restart it": commands are off by default, few, allow-listed,
/// answered, and never obeyed late.</summary>
public sealed class CommandTests : IAsyncDisposable
{
    private const string Camera = "dvis/v1/gate-3/camera/front", Response = "dvis/v1/gate-3/response/operator";

    private readonly Recorder _commands = new();
    private MosquittoBroker? _broker;
    private MqttRig? _rig;

    [Fact]
    public async Task Command_Allowed_IsObeyedAndAnsweredWithItsCorrelation()
    {
        await StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(_broker!, Response);
        var start = new ProcessStartInfo(MosquittoBroker.Executable("mosquitto_sub")!,
            ["-V", "5", .. _broker!.ClientArguments(), "-t", Response, "-t", MosquittoBroker.ReadyTopic, "-C", "2",
                "-F", "%D"])
        { RedirectStandardOutput = true };
        using var correlations = Process.Start(start)!;
        Assert.Equal("", await correlations.StandardOutput.ReadLineAsync()); // subscribed

        await PublishAsync("disable", "{}", "-D", "publish", "response-topic", Response, "-D", "publish",
            "correlation-data", "n-17");

        var answer = WireSchemas.Valid("command", (await subscriber.WaitAsync(Response))[0].Payload);
        Assert.Equal(("front", "disable", "done"), (answer.GetProperty("camera").GetString(), answer.GetProperty("verb")
            .GetString(), answer.GetProperty("result").GetString()));
        Assert.Equal("n-17", await correlations.StandardOutput.ReadLineAsync());
        await correlations.WaitForExitAsync();
        Assert.Equal(["front disable"], _commands.Seen);
        Assert.Equal(1, Count("done"));
    }

    [Theory]
    [InlineData("restart", "", "not allowed"), InlineData("enable", "", "not allowed")]
    [InlineData("disable", "{\"a\": 1}", "empty"), InlineData("disable", "{", "no JSON"),
        InlineData("disable", "[]", "empty"), InlineData("disable", "large", "2000 bytes")]
    public async Task Command_NotAllowedOrWithAPayload_IsRefusedInASentence(string verb, string payload, string says)
    {
        await StartAsync(allow: ["disable"]);
        await using var subscriber = await MqttSubscriber.StartAsync(_broker!, Response);

        await PublishAsync(verb, payload == "large"
            ? new string(' ', 2000)
            : payload, "-D", "publish", "response-topic", Response);

        var answer = WireSchemas.Valid("command", (await subscriber.WaitAsync(Response))[0].Payload);
        Assert.Equal("refused", answer.GetProperty("result").GetString());
        Assert.Contains(says, answer.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Empty(_commands.Seen);
    }

    [Fact]
    public async Task Command_RetainedOrToBeAnsweredElsewhere_IsIgnoredAndCounted()
    {
        _broker = await MosquittoBroker.StartAsync();
        await PublishAsync("disable", "{}", "-r");
        await StartAsync();
        await Eventually.TrueAsync(() => Count("retained") >= 1, "the retained command came and was ignored");

        await PublishAsync("disable", "", "-D", "publish", "response-topic", "dvis/v1/gate-3/camera/front/state");
        await Eventually.TrueAsync(() => Count("refused") == 1, "the other was refused");
        await PublishAsync("reset_tracker", "");
        await Eventually.TrueAsync(() => Count("done") == 1, "one without an answer is obeyed");

        Assert.Equal(["front reset_tracker"], _commands.Seen);
    }

    [Fact]
    public async Task Commands_TooMany_AreLimitedAndCounted()
    {
        await StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(_broker!, $"{Camera}/cmd/#");

        await MosquittoBroker.RunAsync("mosquitto_pub",
            [.. _broker!.ClientArguments(), "-q", "1", "-t", $"{Camera}/cmd/enable", "-m", " ", "--repeat", "60"]);

        await Eventually.TrueAsync(() => Count("done") + Count("rate_limited") + Count("busy") == 60,
            "all are accounted for");
        Assert.InRange(Count("rate_limited"), 1, 59);
        Assert.Equal(Count("done"), _commands.Seen.Count());
    }

    [Fact]
    public async Task Commands_ByDefault_AreNotListenedTo()
    {
        await StartAsync(enabled: false);
        await PublishAsync("disable", "");
        await _rig!.Sink.FlushAsync(default);

        Assert.False(new MqttCommandOptions().Enabled);
        Assert.Equal(0, _rig.Metrics.Sum("dvis.mqtt.commands"));
        Assert.Empty(_commands.Seen);
    }

    public async ValueTask DisposeAsync()
    {
        if (_rig is not null) await _rig.DisposeAsync();
        if (_broker is not null) await _broker.DisposeAsync();
    }

    private double Count(string result) => _rig!.Metrics.Sum("dvis.mqtt.commands", $"result={result}");

    private async Task StartAsync(bool enabled = true, string[]? allow = null)
    {
        _broker ??= await MosquittoBroker.StartAsync();
        _rig = new MqttRig(_broker.Url, o =>
            (o.Commands.Enabled, o.Commands.Allow) = (enabled, allow ?? o.Commands.Allow), commands: _commands);
        await _rig.StartAsync();
        await _rig.Sink.FlushAsync(default);
        if (!enabled) return;
        await Eventually.TrueAsync(() => _rig.Logged(3016).Any(t => t.Contains("/cmd/", StringComparison.Ordinal)),
            "subscribed");
    }

    private Task PublishAsync(string verb, string payload, params string[] more)
        => MosquittoBroker.RunAsync("mosquitto_pub", ["-V", "5", .. _broker!.ClientArguments(), "-q", "1", "-t",
            $"{Camera}/cmd/{verb}", .. payload.Length == 0 ? (string[])["-n"] : ["-m", payload], .. more]);

    private sealed class Recorder : ICameraCommands
    {
        private readonly ConcurrentQueue<string> _seen = new();

        public IEnumerable<string> Seen => _seen;

        public Task<CommandAnswer> ExecuteAsync(string camera, string verb)
        {
            _seen.Enqueue($"{camera} {verb}");
            return Task.FromResult(new CommandAnswer(true, "As you say."));
        }
    }
}
