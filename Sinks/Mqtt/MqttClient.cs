using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Payloads;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt;

/// <summary>
/// Keeps one connection alive and feeds it: QoS 0 at once or never, QoS 1 through the outbox, state again at every connect.
/// Publishing never waits and never throws for the broker's sake. Thread-safe.
/// </summary>
internal sealed partial class MqttClient(
    MqttOptions options, IMqttTransport transport, MqttWill will, PipelineMetrics metrics, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>A broker that is silent for this long about a message has lost it; only another connection helps.</summary>
    private static readonly TimeSpan AckTimeout = TimeSpan.FromSeconds(30);

    /// <summary>A connection that lived this long was good: the next pause is the shortest again.</summary>
    private static readonly TimeSpan Stable = TimeSpan.FromSeconds(30);

    private readonly MqttServer[] _servers = [.. options.Servers.Select(s => MqttServer.TryParse(s) ?? throw new ArgumentException($"not a server: {s}", nameof(options)))];
    private readonly List<(string Filter, Action<MqttReceived> Handler)> _subscriptions = []; // complete before the start
    private readonly CancellationTokenSource _stop = new();
    private Task _run = Task.CompletedTask;

    // All below: under _gate. It is taken by publishers and by the connection's thread, and never held while waiting.
    private readonly Lock _gate = new();
    private readonly Outbox _outbox = new(options.Outbox.MaxMessages, options.Outbox.MaxBytes);
    private readonly Qos0Window _qos0 = new(metrics);
    private readonly DropTally _drops = new(time);
    private Session? _session;
    private IMqttConnection? _connection;
    private TaskCompletionSource? _drained;
    private int _maxPacket = int.MaxValue;
    private int _maxInFlight;
    private long _lastToken;

    /// <summary>QoS 1 messages not acknowledged, waiting or in flight.</summary>
    public int Outstanding
    {
        get { lock (_gate) return _outbox.Count; }
    }

    /// <summary>
    /// Before the start: what the broker sends of these topics goes to <paramref name="handler"/>, on the connection's thread, which must
    /// not be held up. Asked for again at every connect.
    /// </summary>
    public void Subscribe(string filter, Action<MqttReceived> handler) => _subscriptions.Add((filter, handler));

    public void Start()
    {
        metrics.MqttConnection(false);
        metrics.Meter.CreateObservableGauge("dvis.outbox.messages", () => (long)Outstanding, "{message}", "MQTT messages not yet acknowledged.");
        metrics.Meter.CreateObservableGauge("dvis.outbox", OutboxBytes, "By", "Payload bytes not yet acknowledged.");
        _run = Task.Run(() => RunAsync(_stop.Token));
    }

    /// <summary>Largest payload that the present (or last) broker takes on this topic.</summary>
    public int PayloadLimit(MqttTopic topic, IReadOnlyList<KeyValuePair<string, string>>? userProperties = null)
    {
        lock (_gate) return Math.Max(0, _maxPacket - MqttMessage.Overhead(topic, userProperties));
    }

    /// <summary>Hands over, or keeps for later, or drops and counts, as the topic says. The payload is copied.</summary>
    public void Publish(MqttTopic topic, ReadOnlyMemory<byte> payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties = null)
    {
        lock (_gate)
        {
            if (topic.Qos == 0)
            {
                PublishNow(topic, payload, userProperties);
                return;
            }

            var dropped = _outbox.Add(new(++_lastToken, topic, payload.ToArray(), userProperties, time.GetTimestamp()));
            foreach (var entry in dropped) metrics.MqttMessage(entry.Topic.Kind, "dropped");
            if (dropped.Count > 0 && _drops.Add(dropped.Count) is > 0 and var count) LogOutboxFull(count);
            Pump();
            SignalWhenDrained();
        }
    }

    /// <summary>Clears a retained topic unless it is one of this run's.</summary>
    public void ClearUnannounced(string topic)
    {
        lock (_gate)
        {
            if (_outbox.Announces(topic)) return;
            LogCleared(topic);
            Publish(new(topic, Kinds.State, Qos: 1, Retain: true), ReadOnlyMemory<byte>.Empty);
        }
    }

    /// <summary>Ends when every QoS 1 message is acknowledged, expired or refused.</summary>
    public async Task FlushAsync(CancellationToken cancel)
    {
        Task drained;
        lock (_gate)
        {
            if (_outbox.Count == 0) return;
            _drained ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            drained = _drained.Task;
        }

        await drained.WaitAsync(cancel);
    }

    /// <summary>Says goodbye when connected. What waits is lost: flush first.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken stop)
    {
        var backoff = new Backoff(options.Backoff);
        (MqttServer?, MqttFault) reported = default;
        try
        {
            for (var attempt = 0; ; attempt++)
            {
                var server = _servers[attempt % _servers.Length];
                var session = new Session(this);
                var result = await transport.ConnectAsync(server, will, session, stop);
                var outcome = result.Outcome;
                metrics.MqttConnect(WireName<MqttFault>.Of(outcome.Fault));
                if (result.Connection is { } connection)
                {
                    LogConnected(server);
                    var since = time.GetTimestamp();
                    outcome = await ServeAsync(connection, result, session, stop);
                    stop.ThrowIfCancellationRequested();
                    if (outcome.Fault == MqttFault.SessionTakenOver) metrics.MqttConnect("session_taken_over");
                    if (time.GetElapsedTime(since) > Stable) backoff.Reset();
                    // The next attempt is at the same server: it was the one that worked.
                    attempt--;
                }

                // Once for each new trouble, not once for each attempt.
                if (reported != (server, outcome.Fault)) LogNotConnected(server, outcome.Fault, outcome.Detail);
                reported = (server, outcome.Fault);
                if (result.Connection is not null || attempt % _servers.Length == _servers.Length - 1) await Task.Delay(backoff.Next(), time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
    }

    private async Task<MqttOutcome> ServeAsync(IMqttConnection connection, MqttConnectResult result, Session session, CancellationToken stop)
    {
        Attach(connection, result, session);
        try
        {
            while (!stop.IsCancellationRequested)
            {
                using var tick = CancellationTokenSource.CreateLinkedTokenSource(stop);
                var ended = await Task.WhenAny(session.Ended, Task.Delay(AckTimeout / 4, time, tick.Token));
                await tick.CancelAsync();
                if (ended == session.Ended) return await session.Ended;
                if (OldestWait() > AckTimeout) return new(MqttFault.AckTimeout, $"no acknowledgement within {AckTimeout.TotalSeconds} s");
            }

            await connection.DisconnectAsync(CancellationToken.None);
            return new(MqttFault.Ok, "");
        }
        finally
        {
            Detach();
            await connection.DisposeAsync();
        }
    }

    private void Attach(IMqttConnection connection, MqttConnectResult result, Session session)
    {
        lock (_gate)
        {
            (_connection, _session) = (connection, session);
            (_maxPacket, _maxInFlight) = (result.MaximumPacketSize, Math.Min(options.Outbox.InFlight, result.ReceiveMaximum));
            _qos0.Clear();
            foreach (var (filter, _) in _subscriptions) connection.Subscribe(filter);
            _outbox.Connected();
            Pump();
        }

        metrics.MqttConnection(true);
    }

    private void Detach()
    {
        metrics.MqttConnection(false);
        lock (_gate)
        {
            (_connection, _session) = (null, null);
            _outbox.Disconnected();
            SignalWhenDrained();
        }
    }

    private void PublishNow(MqttTopic topic, ReadOnlyMemory<byte> payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties)
    {
        if (_connection is null || !_qos0.HasRoom(payload.Length))
        {
            metrics.MqttMessage(topic.Kind, "dropped");
            return;
        }

        var handOver = _connection.Publish(new(topic, payload, topic.ExpirySeconds, userProperties), 0);
        if (handOver != MqttHandOver.Accepted)
        {
            metrics.MqttMessage(topic.Kind, handOver == MqttHandOver.Closed ? "dropped" : "failed");
            return;
        }

        _qos0.HandedOver(topic, payload.Length);
        CountSent(topic, payload.Length);
    }

    private void Pump()
    {
        while (_connection is { } connection && _outbox.InFlight < _maxInFlight && _outbox.Take() is { } entry)
        {
            if (Expiry(entry) is not { } expiry)
            {
                _outbox.Complete(entry.Token);
                metrics.MqttMessage(entry.Topic.Kind, "expired");
                continue;
            }

            var payload = entry is { Late: true, Topic: { IsJson: true, Retain: false } } ? Historical.Mark(entry.Payload) : entry.Payload;
            entry.Sent = time.GetTimestamp();
            entry.Proves = _qos0.Sent;
            switch (connection.Publish(new(entry.Topic, payload, expiry, entry.UserProperties), entry.Token))
            {
                case MqttHandOver.Accepted:
                    CountSent(entry.Topic, payload.Length);
                    break;
                case MqttHandOver.Closed:
                    _outbox.PutBack(entry);
                    return;
                case var refused:
                    _outbox.Complete(entry.Token);
                    metrics.MqttMessage(entry.Topic.Kind, "failed");
                    LogRefused(entry.Topic.Name, payload.Length, refused);
                    break;
            }
        }
    }

    /// <summary>Seconds left, 0 when it never expires, null when it has.</summary>
    private uint? Expiry(OutboxEntry entry)
    {
        if (entry.Topic.ExpirySeconds == 0) return 0;
        var left = entry.Topic.ExpirySeconds - time.GetElapsedTime(entry.Enqueued).TotalSeconds;
        return left <= 0 ? null : (uint)Math.Ceiling(left);
    }

    private void CountSent(MqttTopic topic, int bytes)
    {
        metrics.MqttMessage(topic.Kind, "sent");
        metrics.MqttPublished(topic.Kind, bytes);
    }

    private void OnWritten(Session session)
    {
        lock (_gate)
            if (session == _session) _qos0.Written();
    }

    private void OnAcknowledged(Session session, long token, int reason)
    {
        lock (_gate)
        {
            if (session != _session || _outbox.Complete(token) is not { } entry) return;
            metrics.MqttAcknowledged(1, time.GetElapsedTime(entry.Sent).TotalSeconds);
            var refused = reason >= 0x80;
            metrics.MqttMessage(entry.Topic.Kind, refused ? "failed" : "acked");
            if (refused) LogNotAccepted(entry.Topic.Name, reason);
            _qos0.Prove(entry.Proves);
            Pump();
            SignalWhenDrained();
        }
    }

    private void OnReceived(Session session, MqttReceived message)
    {
        if (session != Volatile.Read(ref _session)) return;
        foreach (var (filter, handler) in _subscriptions)
            if (TopicFilter.Matches(filter, message.Topic)) handler(message);
    }

    private long OutboxBytes()
    {
        lock (_gate) return _outbox.Bytes;
    }

    private TimeSpan OldestWait()
    {
        lock (_gate) return _outbox.OldestSent is { } sent ? time.GetElapsedTime(sent) : TimeSpan.Zero;
    }

    private void SignalWhenDrained()
    {
        if (_outbox.Count > 0) return;
        _drained?.TrySetResult();
        _drained = null;
    }

    /// <summary>Listens for one connection; what a former one still says is ignored.</summary>
    private sealed class Session(MqttClient client) : IMqttListener
    {
        private readonly TaskCompletionSource<MqttOutcome> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<MqttOutcome> Ended => _ended.Task;

        public void Written() => client.OnWritten(this);

        public void Acknowledged(long token, int reason) => client.OnAcknowledged(this, token, reason);

        public void Received(MqttReceived message) => client.OnReceived(this, message);

        public void Closed(MqttOutcome outcome) => _ended.TrySetResult(outcome);
    }

    [LoggerMessage(3001, LogLevel.Information, "Connected to {Server}.")]
    private partial void LogConnected(MqttServer server);

    [LoggerMessage(3002, LogLevel.Warning, "Not connected to {Server}: {Fault}: {Detail}. Trying again.")]
    private partial void LogNotConnected(MqttServer server, MqttFault fault, string detail);

    [LoggerMessage(3003, LogLevel.Warning, "The MQTT outbox is full: dropped {Count} message(s), oldest first.")]
    private partial void LogOutboxFull(long count);

    [LoggerMessage(3004, LogLevel.Error, "A message of {Bytes} bytes for {Topic} could not be handed over: {Reason}.")]
    private partial void LogRefused(string topic, int bytes, MqttHandOver reason);

    [LoggerMessage(3006, LogLevel.Debug, "Clearing {Topic}: it is retained from an earlier run and no longer published.")]
    private partial void LogCleared(string topic);

    [LoggerMessage(3005, LogLevel.Error, "The broker refused a message for {Topic}: reason 0x{Reason:X2}.")]
    private partial void LogNotAccepted(string topic, int reason);
}
