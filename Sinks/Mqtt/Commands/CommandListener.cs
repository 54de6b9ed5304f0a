using System.Text.Json;
using System.Threading.Channels;
using System.Threading.RateLimiting;
using Dvis.Streaming.Sinks.Mqtt.Client;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Payloads;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt.Commands;

/// <summary>Executor of commands from the broker, one after the other. A command has an empty payload or <c>{}</c> and
/// is answered on its Response Topic with its Correlation Data (MQTT 5), only below <c>{prefix}/response/</c>: no
/// client can have answers written elsewhere. A retained command is old and therefore ignored.</summary>
internal sealed partial class CommandListener(
    MqttCommandOptions options, NodeTopics node, string session, ICameraCommands commands, MqttDelivery delivery,
    MqttMetrics metrics, ILogger logger) : IAsyncDisposable
{
    private const int MaxWaiting = 16, MaxTopic = 512, MaxPayload = 1024;

    private readonly Channel<MqttReceived> _waiting = Channel.CreateBounded<MqttReceived>(MaxWaiting);
    private readonly TokenBucketRateLimiter _rate = new(new()
    {
        TokenLimit = 10,
        TokensPerPeriod = 1,
        ReplenishmentPeriod = TimeSpan.FromSeconds(0.5),
        AutoReplenishment = false,
    });
    private Task _loop = Task.CompletedTask;

    public void Start()
    {
        delivery.Subscribe("Commands are not received", [$"{node.Prefix}/camera/+/cmd/+"], Receive);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Ends after the waiting commands.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _loop;
        await _rate.DisposeAsync();
    }

    /// <exception cref="FormatException">The payload is neither empty nor <c>{}</c>.</exception>
    internal static void CheckPayload(ReadOnlyMemory<byte> payload)
    {
        if (payload.Length > MaxPayload)
            throw new FormatException($"The payload has {payload.Length} bytes, at most {MaxPayload} are read.");
        if (payload.Span.Trim((byte)' ').IsEmpty) return;
        try
        {
            using var json = JsonDocument.Parse(payload, new JsonDocumentOptions { MaxDepth = 2 });
            if (json.RootElement.ValueKind != JsonValueKind.Object || json.RootElement.GetPropertyCount() > 0)
                throw new FormatException("The payload must be empty or {}.");
        }
        catch (JsonException e)
        {
            throw new FormatException("The payload must be empty or {}; it is no JSON.", e);
        }
    }

    private static (string Camera, string Verb) Parse(string topic) =>
        topic.Split('/') is [.., var camera, _, var verb] ? (camera, verb) : default;

    private void Receive(MqttReceived message)
    {
        var verb = Parse(message.Topic).Verb;
        if (message.Retained) Count(verb, "retained");
        else if (!MayRun()) Count(verb, "rate_limited");
        else if (!_waiting.Writer.TryWrite(message)) Count(verb, "busy");
    }

    private bool MayRun()
    {
        _rate.TryReplenish();
        using var lease = _rate.AttemptAcquire();
        return lease.IsAcquired;
    }

    private async Task RunAsync()
    {
        await foreach (var message in _waiting.Reader.ReadAllAsync())
        {
            var (camera, verb) = Parse(message.Topic);
            if (message.ResponseTopic is { } topic && !IsResponse(topic))
            {
                Count(verb, "refused");
                LogNoAnswer(verb, camera, node.Prefix);
                continue;
            }

            var (result, detail) = await ExecuteAsync(camera, verb, message.Payload);
            Count(verb, result);
            LogCommand(verb, camera, result, detail);
            if (message.ResponseTopic is null) continue;
            var answer = new { Schema = Schemas.Command, Session = session, camera, verb, result, detail };
            delivery.Publish(
                new(message.ResponseTopic, Kinds.Command, Qos: 0, ExpirySeconds: 60, ContentType: MqttTopic.Json),
                JsonSerializer.SerializeToUtf8Bytes(answer, JsonText.Serializer), null, message.CorrelationData);
        }
    }

    private async Task<(string Result, string Detail)> ExecuteAsync(string camera, string verb, byte[] payload)
    {
        if (!options.Allow.Contains(verb))
            return ("refused", $"This verb is not allowed; allowed are: {string.Join(", ", options.Allow)}.");
        try
        {
            CheckPayload(payload);
            var answer = await commands.ExecuteAsync(camera, verb);
            return (answer.Done ? "done" : "refused", answer.Detail);
        }
        catch (FormatException e)
        {
            return ("refused", e.Message);
        }
        catch (Exception e) // any failure ends this command only
        {
            LogFailed(verb, camera, e);
            return ("failed", "The command failed; the log has the reason.");
        }
    }

    private bool IsResponse(string topic)
        => topic.Length <= MaxTopic && topic.StartsWith($"{node.Prefix}/response/", StringComparison.Ordinal)
            && !topic.AsSpan().ContainsAny('+', '#', '\0');

    private void Count(string verb, string result) =>
        metrics.Command(MqttCommandOptions.Verbs.Contains(verb) ? verb : "other", result);

    [LoggerMessage(3030, LogLevel.Information, "Command {Verb} for camera {Camera}: {Result}: {Detail}")]
    private partial void LogCommand(string verb, string camera, string result, string detail);

    [LoggerMessage(3031, LogLevel.Warning,
        "Command {Verb} for camera {Camera} is ignored: its response topic is not below {Prefix}/response/.")]
    private partial void LogNoAnswer(string verb, string camera, string prefix);

    [LoggerMessage(3032, LogLevel.Error, "Command {Verb} for camera {Camera} failed.")]
    private partial void LogFailed(string verb, string camera, Exception e);
}
