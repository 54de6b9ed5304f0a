using System.Threading.Channels;
using Dvis.Streaming.Sinks.Mqtt.Client;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Payloads;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt.Commands;

/// <summary>
/// Takes commands from the broker, one after the other, and answers on the Response Topic with the Correlation Data
/// (MQTT 5). A command that was retained is not obeyed: nobody gives it now. Answers go below <c>{prefix}/response/</c>
/// only, so that nobody makes us write elsewhere.
/// </summary>
internal sealed partial class CommandListener : IAsyncDisposable
{
    private const int MostWaiting = 16, Burst = 10, LongestTopic = 512;
    private const double PerSecond = 2;

    private readonly MqttCommandOptions _options;
    private readonly NodeTopics _node;
    private readonly string _session;
    private readonly ICameraCommands _commands;
    private readonly MqttClient _client;
    private readonly MqttMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Channel<MqttReceived> _waiting = Channel.CreateBounded<MqttReceived>(MostWaiting);
    private Task _loop = Task.CompletedTask;

    // Of the connection's thread.
    private double _tokens = Burst;
    private long _filled;

    public CommandListener(
        MqttCommandOptions options, NodeTopics node, string session, ICameraCommands commands, MqttClient client,
        MqttMetrics metrics, TimeProvider time, ILogger logger)
    {
        (_options, _node, _session, _commands, _client, _metrics, _time, _logger) =
            (options, node, session, commands, client, metrics, time, logger);
        _filled = time.GetTimestamp();
    }

    public void Start()
    {
        _client.Subscribe($"{_node.Prefix}/camera/+/cmd/+", Receive);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Ends with the command that is under way.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _loop;
    }

    private void Receive(MqttReceived message)
    {
        var verb = CommandRequest.Of(message.Topic).Verb;
        if (message.Retained) Count(verb, "retained");
        else if (!MayCome()) Count(verb, "rate_limited");
        else if (!_waiting.Writer.TryWrite(message)) Count(verb, "busy");
    }

    /// <summary>A bucket of <see cref="Burst"/> commands that fills again by <see cref="PerSecond"/>.</summary>
    private bool MayCome()
    {
        var now = _time.GetTimestamp();
        _tokens = Math.Min(Burst, _tokens + _time.GetElapsedTime(_filled, now).TotalSeconds * PerSecond);
        _filled = now;
        if (_tokens < 1) return false;
        _tokens--;
        return true;
    }

    private async Task RunAsync()
    {
        await foreach (var message in _waiting.Reader.ReadAllAsync())
        {
            var request = CommandRequest.Of(message.Topic);
            if (message.ResponseTopic is { } topic && !MayAnswer(topic))
            {
                Count(request.Verb, "refused");
                LogNoAnswer(request.Verb, request.Camera, _node.Prefix);
                continue;
            }

            var (result, detail) = await AnswerAsync(request, message.Payload);
            Count(request.Verb, result);
            LogCommand(request.Verb, request.Camera, result, detail);
            if (message.ResponseTopic is not null) Answer(message, request, result, detail);
        }
    }

    private async Task<(string Result, string Detail)> AnswerAsync(CommandRequest request, byte[] payload)
    {
        if (!_options.Allow.Contains(request.Verb))
            return ("refused", $"This verb is not allowed; allowed are: {string.Join(", ", _options.Allow)}.");
        try
        {
            CommandRequest.Check(payload);
            var answer = await _commands.ExecuteAsync(request.Camera, request.Verb);
            return (answer.Done ? "done" : "refused", answer.Detail);
        }
        catch (FormatException e)
        {
            return ("refused", e.Message);
        }
        catch (Exception e) // whatever broke, it broke this command only
        {
            LogFailed(request.Verb, request.Camera, e);
            return ("failed", "It failed; the log says why.");
        }
    }

    private bool MayAnswer(string topic)
        => topic.Length <= LongestTopic && topic.StartsWith($"{_node.Prefix}/response/", StringComparison.Ordinal)
            && !topic.AsSpan().ContainsAny('+', '#', '\0');

    private void Answer(MqttReceived message, CommandRequest request, string result, string detail)
    {
        using var payload = new PayloadBuffer();
        var w = payload.Begin();
        w.WriteStartObject();
        w.WriteString("schema"u8, Schemas.Command);
        w.WriteString("session"u8, _session);
        w.WriteString("camera"u8, request.Camera);
        w.WriteString("verb"u8, request.Verb);
        w.WriteString("result"u8, result);
        w.WriteString("detail"u8, detail);
        w.WriteEndObject();
        _client.Delivery.Publish(new MqttTopic(message.ResponseTopic!, Kinds.Command, Qos: 0, ExpirySeconds: 60,
            ContentType: MqttTopic.Json), payload.End(), null, message.CorrelationData);
    }

    private void Count(string verb, string result) =>
        _metrics.Command(MqttCommandOptions.Verbs.Contains(verb) ? verb : "other", result);

    [LoggerMessage(3030, LogLevel.Information, "Command {Verb} for camera {Camera}: {Result}: {Detail}")]
    private partial void LogCommand(string verb, string camera, string result, string detail);

    [LoggerMessage(3031, LogLevel.Warning,
        "Command {Verb} for camera {Camera} is ignored: it asks for an answer that is not below {Prefix}/response/.")]
    private partial void LogNoAnswer(string verb, string camera, string prefix);

    [LoggerMessage(3032, LogLevel.Error, "Command {Verb} for camera {Camera} failed.")]
    private partial void LogFailed(string verb, string camera, Exception e);
}
