using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using Microsoft.Extensions.Logging;
using MQTTnet;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>Client that keeps one connection alive for <see cref="Delivery"/> and its subscriptions.</summary>
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
    private readonly List<(string Filter, Action<MqttReceived> Handler)> _subscriptions = []; // unchanged after Start
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _run = Task.CompletedTask;
    private Session? _session;

    public MqttDelivery Delivery { get; } = new(options, metrics, time, logger);

    /// <summary>Ends with the first attempt to connect, whatever its outcome.</summary>
    public Task Tried => _tried.Task;

    /// <summary>Subscribes at every connect. To be called before the start; <paramref name="handler"/> runs on the
    /// connection's thread and must not wait.</summary>
    public void Subscribe(string filter, Action<MqttReceived> handler) => _subscriptions.Add((filter, handler));

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
                var session = new Session(this);
                var result = await transport.ConnectAsync(server, will, session, stop);
                var outcome = result.Outcome;
                metrics.ConnectAttempted(EnumName.Of(outcome.Fault));
                if (result.Connection is { } connection)
                {
                    LogConnected(server);
                    var since = time.GetTimestamp();
                    outcome = await ServeAsync(server, connection, result, session, stop);
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

                if (reported != (server, outcome.Fault)) LogNotConnected(server, outcome.Fault, outcome.Detail);
                reported = (server, outcome.Fault);
                _tried.TrySetResult();
                if (result.Connection is not null || attempt % _servers.Length == _servers.Length - 1)
                    await Task.Delay(backoff.Next(), time, stop);
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

    private async Task<MqttOutcome> ServeAsync(MqttServer server, IMqttConnection connection, MqttConnectResult result,
        Session session, CancellationToken stop)
    {
        var outcome = new MqttOutcome(MqttFault.Ok, "");
        Volatile.Write(ref _session, session);
        Delivery.Attach(server, connection, result, session, _subscriptions.Select(s => s.Filter));
        metrics.Connected(true);
        _tried.TrySetResult();
        try
        {
            while (!stop.IsCancellationRequested)
            {
                using var tick = CancellationTokenSource.CreateLinkedTokenSource(stop);
                var ended = await Task.WhenAny(session.Ended, Task.Delay(s_ackTimeout / 4, time, tick.Token));
                await tick.CancelAsync();
                if (ended == session.Ended) return outcome = await session.Ended;
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
            Volatile.Write(ref _session, null);
            Delivery.Detach(outcome.Fault);
            await connection.DisposeAsync();
        }
    }

    private void OnReceived(Session session, MqttReceived message)
    {
        if (session != Volatile.Read(ref _session)) return;
        foreach (var (filter, handler) in _subscriptions)
            if (MqttTopicFilterComparer.Compare(message.Topic, filter) == MqttTopicFilterCompareResult.IsMatch)
                handler(message);
    }

    /// <summary>Listener of one connection; calls from an earlier one have no effect.</summary>
    private sealed class Session(MqttClient client) : IMqttListener
    {
        private readonly TaskCompletionSource<MqttOutcome> _ended =
            new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<MqttOutcome> Ended => _ended.Task;

        public void Written() => client.Delivery.Written(this);

        public void Acknowledged(long token, int reason) => client.Delivery.Acknowledged(this, token, reason);

        public void Received(MqttReceived message) => client.OnReceived(this, message);

        public void Closed(MqttOutcome outcome) => _ended.TrySetResult(outcome);
    }

    [LoggerMessage(3001, LogLevel.Information, "Connected to {Server}.")]
    private partial void LogConnected(MqttServer server);

    [LoggerMessage(3002, LogLevel.Warning, "Not connected to {Server}: {Fault}: {Detail}. Trying again.")]
    private partial void LogNotConnected(MqttServer server, MqttFault fault, string detail);
}
