using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>Client that keeps one connection alive for <see cref="Delivery"/>.</summary>
/// <inheritdoc cref="MqttDelivery(MqttOptions, MqttMetrics, TimeProvider, ILogger)"/>
internal sealed partial class MqttClient(
    MqttOptions options, IMqttTransport transport, MqttWill will, MqttMetrics metrics, TimeProvider time,
    ILogger logger) : IAsyncDisposable
{
    /// <summary>A message without an acknowledgement for this long is lost; only another connection helps.</summary>
    private static readonly TimeSpan s_ackTimeout = TimeSpan.FromSeconds(30);

    /// <summary>A connection this old resets the backoff and the once-per-fault log filter.</summary>
    private static readonly TimeSpan s_stable = TimeSpan.FromSeconds(30);

    private readonly MqttServer[] _servers = [.. options.Servers.Select(s =>
        MqttServer.TryParse(s) ?? throw new ArgumentException($"not a server: {s}", nameof(options)))];
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<MqttServer, BrokerLimits> _known = []; // shown by a refusal
    private readonly HashSet<(MqttServer, string)> _losses = [];
    private Task _run = Task.CompletedTask;

    public MqttDelivery Delivery { get; } = new(options, metrics, time, logger);

    /// <summary>Ends with the first attempt to connect, whatever its outcome.</summary>
    public Task Tried => _tried.Task;

    public void Start()
    {
        metrics.Connected(false);
        Delivery.Start();
        _run = Task.Run(() => RunAsync(_stop.Token));
    }

    /// <summary>Disconnects. What waits in memory is lost: flush first.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        await Delivery.DisposeAsync();
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken stop)
    {
        var backoff = new Backoff(options.Backoff, Random.Shared);
        (MqttServer?, MqttFault) reported = default;
        try
        {
            for (var attempt = 0; ; attempt++)
            {
                var server = _servers[attempt % _servers.Length];
                var known = _known.GetValueOrDefault(server) ?? new();
                var result = await transport.ConnectAsync(server, known, will, Delivery, stop);
                var outcome = result.Outcome;
                metrics.ConnectAttempted(EnumName.Of(outcome.Fault));
                if (result.Connection is { } connection)
                {
                    LogConnected(server);
                    metrics.Server(server.ToString(), null);
                    if (result.Limits.Loss is { } loss && _losses.Add((server, loss))) LogLoss(server, loss);
                    var since = time.GetTimestamp();
                    outcome = await ServeAsync(server, connection, result, stop);
                    stop.ThrowIfCancellationRequested();
                    metrics.Disconnected(EnumName.Of(outcome.Fault));
                    if (outcome.Fault == MqttFault.SessionTakenOver) metrics.ConnectAttempted("session_taken_over");
                    if (time.GetElapsedTime(since) > StableAfter(outcome.Fault))
                    {
                        backoff.Reset();
                        reported = default;
                    }

                    // The next attempt is at the same server: it was the one that worked.
                    attempt--;
                }

                var shown = known.After(outcome.Reason);
                _known[server] = shown;
                if (shown != known && result.Connection is null)
                {
                    // It refused the will as it was, and may accept it without that.
                    attempt--;
                    continue;
                }

                metrics.Server(server.ToString(), $"{EnumName.Of(outcome.Fault)}: {outcome.Detail}");
                if (reported != (server, outcome.Fault)) LogNotConnected(server, outcome.Fault, outcome.Detail);
                reported = (server, outcome.Fault);
                _tried.TrySetResult();
                // Results must not wait for a connection that ended by a subscription, which happens a few times only.
                var pauses = result.Connection is null
                    ? attempt % _servers.Length == _servers.Length - 1
                    : !Delivery.EndedBySubscribe;
                if (pauses) await Task.Delay(backoff.Next(), time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
    }

    // Two clients with one id would replace each other for ever if the pause of one counted as a stable connection of
    // the other.
    private TimeSpan StableAfter(MqttFault fault) =>
        fault == MqttFault.SessionTakenOver ? s_stable + (2 * options.Backoff.Max) : s_stable;

    private async Task<MqttOutcome> ServeAsync(
        MqttServer server, IMqttConnection connection, MqttConnectResult result, CancellationToken stop)
    {
        var outcome = new MqttOutcome(MqttFault.Ok, "");
        Delivery.Attach(server, connection, result);
        metrics.Connected(true, result.Limits.Qos > 0);
        _tried.TrySetResult();
        try
        {
            while (!stop.IsCancellationRequested)
            {
                using var tick = CancellationTokenSource.CreateLinkedTokenSource(stop);
                var ended = await Task.WhenAny(connection.Ended, Task.Delay(s_ackTimeout / 4, time, tick.Token));
                await tick.CancelAsync();
                if (ended == connection.Ended) return outcome = await connection.Ended;
                if (Delivery.OldestWait > s_ackTimeout)
                    return outcome =
                        new(MqttFault.AckTimeout, $"no acknowledgement within {s_ackTimeout.TotalSeconds} s");
            }

            await connection.DisconnectAsync();
            return outcome;
        }
        finally
        {
            metrics.Connected(false);
            Delivery.Detach(outcome);
            await connection.DisposeAsync();
        }
    }

    [LoggerMessage(3001, LogLevel.Information, "Connected to {Server}.")]
    private partial void LogConnected(MqttServer server);

    [LoggerMessage(3017, LogLevel.Warning, "{Server} accepts {Loss}.")]
    private partial void LogLoss(MqttServer server, string loss);

    [LoggerMessage(3002, LogLevel.Warning, "Not connected to {Server}: {Fault}: {Detail}. Trying again.")]
    private partial void LogNotConnected(MqttServer server, MqttFault fault, string detail);
}
