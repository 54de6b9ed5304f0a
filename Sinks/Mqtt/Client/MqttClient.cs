using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>Keeps one connection alive, feeds <see cref="Delivery"/> with it and hears what the broker sends.</summary>
internal sealed partial class MqttClient : IAsyncDisposable
{
    /// <summary>A broker that is silent for this long about a message has lost it;
    /// only another connection helps.</summary>
    private static readonly TimeSpan AckTimeout = TimeSpan.FromSeconds(30);

    /// <summary>A connection that lived this long was good: the next pause is the shortest again,
    /// and the next trouble is news.</summary>
    private static readonly TimeSpan Stable = TimeSpan.FromSeconds(30);

    private readonly MqttOptions _options;
    private readonly IMqttTransport _transport;
    private readonly MqttWill _will;
    private readonly MqttMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly MqttServer[] _servers;
    // complete before the start
    private readonly List<(string Filter, Action<MqttReceived> Handler)> _subscriptions = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _run = Task.CompletedTask;
    private Session? _session;

    /// <inheritdoc cref="MqttDelivery(MqttOptions, MqttMetrics, TimeProvider, ILogger, IStoreFolder)"/>
    public MqttClient(
        MqttOptions options, IMqttTransport transport, MqttWill will, MqttMetrics metrics, TimeProvider time,
        ILogger logger, IStoreFolder? folder = null)
    {
        (_options, _transport, _will, _metrics, _time, _logger) = (options, transport, will, metrics, time, logger);
        _servers = [.. options.Servers.Select(s =>
            MqttServer.TryParse(s) ?? throw new ArgumentException($"not a server: {s}", nameof(options)))];
        Delivery = new(options, metrics, time, logger, folder);
    }

    /// <summary>What goes out.</summary>
    public MqttDelivery Delivery { get; }

    /// <summary>The first attempt to connect has had its outcome.</summary>
    public Task Tried => _tried.Task;

    /// <summary>
    /// Before the start: what the broker sends of these topics goes to <paramref name="handler"/>, on the connection's
    /// thread, which must not be held up. Asked for again at every connect.
    /// </summary>
    public void Subscribe(string filter, Action<MqttReceived> handler) => _subscriptions.Add((filter, handler));

    public void Start()
    {
        _metrics.Connected(false);
        Delivery.Start();
        _run = Task.Run(() => RunAsync(_stop.Token));
    }

    /// <summary>Says goodbye when connected. What waits in memory is lost: flush first.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        await Delivery.DisposeAsync();
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken stop)
    {
        var backoff = new Backoff(_options.Backoff, Random.Shared);
        (MqttServer?, MqttFault) reported = default;
        try
        {
            for (var attempt = 0; ; attempt++)
            {
                var server = _servers[attempt % _servers.Length];
                var session = new Session(this);
                var result = await _transport.ConnectAsync(server, _will, session, stop);
                var outcome = result.Outcome;
                _metrics.ConnectAttempted(EnumName.Of(outcome.Fault));
                if (result.Connection is { } connection)
                {
                    LogConnected(server);
                    var since = _time.GetTimestamp();
                    outcome = await ServeAsync(server, connection, result, session, stop);
                    stop.ThrowIfCancellationRequested();
                    _metrics.Disconnected(EnumName.Of(outcome.Fault));
                    if (outcome.Fault == MqttFault.SessionTakenOver) _metrics.ConnectAttempted("session_taken_over");
                    if (_time.GetElapsedTime(since) > Enough(outcome.Fault))
                    {
                        backoff.Reset();
                        reported = default;
                    }

                    // The next attempt is at the same server: it was the one that worked.
                    attempt--;
                }

                // Once for each new trouble, not once for each attempt.
                if (reported != (server, outcome.Fault)) LogNotConnected(server, outcome.Fault, outcome.Detail);
                reported = (server, outcome.Fault);
                _tried.TrySetResult();
                if (result.Connection is not null || attempt % _servers.Length == _servers.Length - 1)
                    await Task.Delay(backoff.Next(), _time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
    }

    // Two that throw each other out would go on for ever if the pause of one counted as a good connection of the other.
    private TimeSpan Enough(MqttFault fault) =>
        fault == MqttFault.SessionTakenOver ? Stable + (2 * _options.Backoff.Max) : Stable;

    private async Task<MqttOutcome> ServeAsync(MqttServer server, IMqttConnection connection, MqttConnectResult result,
        Session session, CancellationToken stop)
    {
        var outcome = new MqttOutcome(MqttFault.Ok, "");
        Volatile.Write(ref _session, session);
        Delivery.Attach(server, connection, result, session, _subscriptions.Select(s => s.Filter));
        _metrics.Connected(true);
        _tried.TrySetResult();
        try
        {
            while (!stop.IsCancellationRequested)
            {
                using var tick = CancellationTokenSource.CreateLinkedTokenSource(stop);
                var ended = await Task.WhenAny(session.Ended, Task.Delay(AckTimeout / 4, _time, tick.Token));
                await tick.CancelAsync();
                if (ended == session.Ended) return outcome = await session.Ended;
                if (Delivery.OldestWait > AckTimeout)
                    return outcome =
                        new(MqttFault.AckTimeout, $"no acknowledgement within {AckTimeout.TotalSeconds} s");
            }

            await connection.DisconnectAsync(CancellationToken.None);
            return outcome;
        }
        finally
        {
            _metrics.Connected(false);
            Volatile.Write(ref _session, null);
            Delivery.Detach(outcome.Fault);
            await connection.DisposeAsync();
        }
    }

    private void OnReceived(Session session, MqttReceived message)
    {
        if (session != Volatile.Read(ref _session)) return;
        foreach (var (filter, handler) in _subscriptions)
            if (TopicFilter.Matches(filter, message.Topic)) handler(message);
    }

    /// <summary>Listens for one connection; what a former one still says is ignored.</summary>
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
