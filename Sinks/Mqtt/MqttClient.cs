using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Store;
using Dvis.Streaming.Sinks.Payloads;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt;

/// <summary>
/// Keeps one connection alive and feeds it: QoS 0 at once or never, QoS 1 through the outbox, state again at every connect.
/// Publishing never waits for the broker and never throws for its sake. Thread-safe.
/// </summary>
internal sealed partial class MqttClient : IAsyncDisposable
{
    /// <summary>A broker that is silent for this long about a message has lost it; only another connection helps.</summary>
    private static readonly TimeSpan AckTimeout = TimeSpan.FromSeconds(30);

    /// <summary>A connection that lived this long was good: the next pause is the shortest again, and the next trouble is news.</summary>
    private static readonly TimeSpan Stable = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    private readonly MqttOptions _options;
    private readonly IMqttTransport _transport;
    private readonly MqttWill _will;
    private readonly PipelineMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly MqttServer[] _servers;
    private readonly List<(string Filter, Action<MqttReceived> Handler)> _subscriptions = []; // complete before the start
    private readonly CancellationTokenSource _stop = new();
    private Task _run = Task.CompletedTask, _sync = Task.CompletedTask;

    // All below: under _gate. It is taken by publishers and by the connection's thread, and never held while waiting for the broker.
    private readonly Lock _gate = new();
    private readonly Outbox _outbox;
    private readonly OutboxReport _report;
    private readonly Qos0Window _qos0;
    private readonly PacketLimits _limits;
    private Session? _session;
    private IMqttConnection? _connection;
    private TaskCompletionSource? _drained;
    private int _maxInFlight;

    /// <param name="folder">Of the outbox; null: as the options say.</param>
    /// <exception cref="InvalidOperationException">The outbox's folder cannot be used.</exception>
    public MqttClient(MqttOptions options, IMqttTransport transport, MqttWill will, PipelineMetrics metrics, TimeProvider time, ILogger logger, IStoreFolder? folder = null)
    {
        (_options, _transport, _will, _metrics, _time, _logger) = (options, transport, will, metrics, time, logger);
        _servers = [.. options.Servers.Select(s => MqttServer.TryParse(s) ?? throw new ArgumentException($"not a server: {s}", nameof(options)))];
        (_report, _qos0) = (new(metrics, time, logger), new(metrics));
        if (folder is null && StoreFolder.PathOf(options.Outbox) is { } path) folder = StoreFolder.Open(path);
        var store = folder is null ? null : new OutboxStore(folder, time, _report.DiskFailed, _report.Damaged);
        if (store is not null) _report.Left(store);
        _outbox = new(options.Outbox, time, store, _report.Dropped, options.Backoff);
        _limits = new(store?.PacketLimit ?? int.MaxValue);
    }

    /// <summary>QoS 1 messages not acknowledged, waiting or in flight.</summary>
    public int Outstanding
    {
        get { lock (_gate) return _outbox.Count; }
    }

    /// <summary>What is not acknowledged at the end is sent by the next run.</summary>
    public bool OnDisk => _outbox.Store is { Healthy: true };

    /// <summary>Called before a connection is used whose <see cref="PayloadLimit"/> is another than before.</summary>
    public Action LimitChanged { get; set; } = static () => { };

    /// <summary>
    /// Before the start: what the broker sends of these topics goes to <paramref name="handler"/>, on the connection's thread, which must
    /// not be held up. Asked for again at every connect.
    /// </summary>
    public void Subscribe(string filter, Action<MqttReceived> handler) => _subscriptions.Add((filter, handler));

    public void Start()
    {
        _metrics.MqttConnection(false);
        var meter = _metrics.Meter;
        meter.CreateObservableGauge("dvis.outbox.messages", () => (long)Outstanding, "{message}", "QoS 1 messages not yet acknowledged.");
        meter.CreateObservableGauge("dvis.outbox.held", () => Locked(o => (long)o.Held), "{message}", "QoS 1 messages of topics that the broker refuses; they are tried again.");
        meter.CreateObservableGauge("dvis.outbox", () => Locked(o => o.Bytes), "By", "Bytes of QoS 1 messages not yet acknowledged.");
        meter.CreateObservableGauge("dvis.outbox.oldest.timestamp", () => Locked(Oldest), "s", "When the oldest of them was made (UTC); absent when there is none.");
        if (_outbox.Store is { } store)
        {
            meter.CreateObservableGauge("dvis.outbox.disk", () => Locked(_ => store.DiskBytes), "By", "Size of the outbox's files.");
            _metrics.OutboxDisk(true);
        }

        _run = Task.Run(() => RunAsync(_stop.Token));
        _sync = Task.Run(() => SyncAsync(_stop.Token));
    }

    /// <summary>Largest payload that every broker met so far takes on this topic.</summary>
    public int PayloadLimit(MqttTopic topic, IReadOnlyList<KeyValuePair<string, string>>? userProperties = null)
    {
        lock (_gate) return Math.Max(0, _limits.Smallest - MqttMessage.Overhead(topic, userProperties));
    }

    /// <summary>Hands over, or keeps for later, or drops and counts, as the topic says. The payload is copied.</summary>
    /// <param name="correlation">Of the message that this one answers; with QoS 0 only.</param>
    public void Publish(
        MqttTopic topic, ReadOnlyMemory<byte> payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties = null, byte[]? correlation = null)
    {
        lock (_gate)
        {
            if (topic.Qos == 0)
            {
                PublishNow(topic, payload, userProperties, correlation);
                return;
            }

            _outbox.Add(topic, payload.ToArray(), userProperties);
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

    /// <summary>Ends when every QoS 1 message is acknowledged, dropped or refused.</summary>
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

    /// <summary>Says goodbye when connected. What waits in memory is lost: flush first.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        await _sync;
        lock (_gate) _outbox.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken stop)
    {
        var backoff = new Backoff(_options.Backoff);
        (MqttServer?, MqttFault) reported = default;
        try
        {
            for (var attempt = 0; ; attempt++)
            {
                var server = _servers[attempt % _servers.Length];
                var session = new Session(this);
                var result = await _transport.ConnectAsync(server, _will, session, stop);
                var outcome = result.Outcome;
                _metrics.MqttConnect(WireName<MqttFault>.Of(outcome.Fault));
                if (result.Connection is { } connection)
                {
                    LogConnected(server);
                    var since = _time.GetTimestamp();
                    outcome = await ServeAsync(server, connection, result, session, stop);
                    stop.ThrowIfCancellationRequested();
                    _metrics.MqttDisconnect(WireName<MqttFault>.Of(outcome.Fault));
                    if (outcome.Fault == MqttFault.SessionTakenOver) _metrics.MqttConnect("session_taken_over");
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
                if (result.Connection is not null || attempt % _servers.Length == _servers.Length - 1) await Task.Delay(backoff.Next(), _time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
    }

    // Two that throw each other out would go on for ever if the pause of one counted as a good connection of the other.
    private TimeSpan Enough(MqttFault fault) => fault == MqttFault.SessionTakenOver ? Stable + (2 * _options.Backoff.Max) : Stable;

    private async Task<MqttOutcome> ServeAsync(MqttServer server, IMqttConnection connection, MqttConnectResult result, Session session, CancellationToken stop)
    {
        var outcome = new MqttOutcome(MqttFault.Ok, "");
        Attach(server, connection, result, session);
        try
        {
            while (!stop.IsCancellationRequested)
            {
                using var tick = CancellationTokenSource.CreateLinkedTokenSource(stop);
                var ended = await Task.WhenAny(session.Ended, Task.Delay(AckTimeout / 4, _time, tick.Token));
                await tick.CancelAsync();
                if (ended == session.Ended) return outcome = await session.Ended;
                if (OldestWait() > AckTimeout) return outcome = new(MqttFault.AckTimeout, $"no acknowledgement within {AckTimeout.TotalSeconds} s");
            }

            await connection.DisconnectAsync(CancellationToken.None);
            return outcome;
        }
        finally
        {
            Detach(outcome.Fault);
            await connection.DisposeAsync();
        }
    }

    private void Attach(MqttServer server, IMqttConnection connection, MqttConnectResult result, Session session)
    {
        bool changed;
        lock (_gate)
        {
            var before = _limits.Smallest;
            _limits.Learn(server, result.MaximumPacketSize);
            changed = _limits.Smallest != before;
            if (_outbox.Store is { } store) store.PacketLimit = _limits.Smallest;
        }

        if (changed) LimitChanged();
        lock (_gate)
        {
            (_connection, _session) = (connection, session);
            _maxInFlight = Math.Min(_options.Outbox.InFlight, result.ReceiveMaximum);
            _qos0.Clear();
            foreach (var (filter, _) in _subscriptions) connection.Subscribe(filter);
            _outbox.Connected();
            Pump();
        }

        _metrics.MqttConnection(true);
    }

    private void Detach(MqttFault fault)
    {
        _metrics.MqttConnection(false);
        lock (_gate)
        {
            (_connection, _session) = (null, null);
            // A broker that said goodbye lives, and has what it acknowledged.
            _outbox.Disconnected(lost: fault is MqttFault.ConnectionLost or MqttFault.KeepAliveTimeout or MqttFault.AckTimeout or MqttFault.ProtocolError);
            SignalWhenDrained();
        }
    }

    private void PublishNow(MqttTopic topic, ReadOnlyMemory<byte> payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties, byte[]? correlation)
    {
        if (_connection is null || !_qos0.HasRoom(payload.Length))
        {
            _metrics.MqttMessage(topic.Kind, "dropped");
            return;
        }

        var handOver = _connection.Publish(new(topic, payload, topic.ExpirySeconds, userProperties, correlation), 0);
        if (handOver != MqttHandOver.Accepted)
        {
            _metrics.MqttMessage(topic.Kind, handOver == MqttHandOver.Closed ? "dropped" : "failed");
            return;
        }

        _qos0.HandedOver(topic, payload.Length);
        _metrics.MqttMessage(topic.Kind, "sent");
        _metrics.MqttPublished(topic.Kind, payload.Length);
    }

    private void Pump()
    {
        while (_connection is { } connection && _outbox.InFlight < _maxInFlight && _outbox.Take() is { } entry)
        {
            var again = entry.Sent != 0;
            var (payload, properties) = Historical.Mark(entry);
            entry.Sent = _time.GetTimestamp();
            entry.Proves = _qos0.Sent;
            switch (connection.Publish(new(entry.Topic, payload, entry.Topic.ExpirySeconds, properties), entry.Token))
            {
                case MqttHandOver.Accepted:
                    _metrics.MqttMessage(entry.Topic.Kind, again ? "resent" : "sent");
                    _metrics.MqttPublished(entry.Topic.Kind, payload.Length);
                    break;
                case MqttHandOver.Closed:
                    if (!again) entry.Sent = 0;
                    _outbox.PutBack(entry);
                    return;
                case var refused:
                    _outbox.Complete(entry.Token, accepted: false);
                    _report.Refused(entry.Topic, payload.Length, refused == MqttHandOver.TooLarge ? "too_large" : "refused");
                    break;
            }
        }
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
            if (session != _session) return;
            var accepted = reason < 0x80;
            // An access list may be mended, a quota ends.
            if (reason is 0x87 or 0x97 && _outbox.Refuse(token) is { } held)
            {
                _report.Held(held, Refusal(reason));
                _qos0.Prove(held.Proves);
                Pump();
                SignalWhenDrained();
                return;
            }

            if (_outbox.Complete(token, accepted) is not { } entry) return;
            _metrics.MqttAcknowledged(1, _time.GetElapsedTime(entry.Sent).TotalSeconds);
            if (!accepted) _report.Refused(entry.Topic, entry.Payload.Length, Refusal(reason));
            else if (!entry.Acknowledged) Accepted(entry);
            _qos0.Prove(entry.Proves);
            Pump();
            SignalWhenDrained();
        }
    }

    private void Accepted(OutboxEntry entry)
    {
        entry.Acknowledged = true;
        _metrics.MqttMessage(entry.Topic.Kind, "acked");
        _report.Accepted(entry.Topic);
    }

    /// <summary>PUBACK (MQTT 5, 3.4.2.1).</summary>
    private static string Refusal(int reason) => reason switch
    {
        0x87 => "not_authorized",
        0x95 => "too_large",
        0x97 => "quota_exceeded",
        _ => "refused",
    };

    private void OnReceived(Session session, MqttReceived message)
    {
        if (session != Volatile.Read(ref _session)) return;
        foreach (var (filter, handler) in _subscriptions)
            if (TopicFilter.Matches(filter, message.Topic)) handler(message);
    }

    /// <summary>Keeps the outbox's promises about age and disk while nothing else happens.</summary>
    private async Task SyncAsync(CancellationToken stop)
    {
        var (interval, synced) = (_options.Outbox.SyncInterval, _time.GetTimestamp());
        using var timer = new PeriodicTimer(interval > TimeSpan.Zero && interval < Beat ? interval : Beat, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                lock (_gate)
                {
                    _outbox.Tick();
                    if (_outbox.Store is { } store) _report.DiskState(store.Healthy);
                    Pump();
                    SignalWhenDrained();
                }

                if (_time.GetElapsedTime(synced) < interval) continue;
                synced = _time.GetTimestamp();
                Sync(interval > TimeSpan.Zero);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
    }

    // The disk may take its time: publishers must not wait for it.
    private void Sync(bool toDisk)
    {
        (IStoreFile? Active, IReadOnlyList<IStoreFile> Rolled) files = (null, []);
        lock (_gate)
            if (_outbox.Store is { } store) files = store.Unsynced();
        try
        {
            if (!toDisk) return;
            foreach (var file in files.Rolled) file.Sync();
            files.Active?.Sync();
        }
        catch (ObjectDisposedException)
        {
            // The file failed meanwhile, which was told.
        }
        catch (IOException e)
        {
            lock (_gate) _outbox.Store!.Fail(e);
        }
        finally
        {
            foreach (var file in files.Rolled) file.Dispose();
        }
    }

    private T Locked<T>(Func<Outbox, T> read)
    {
        lock (_gate) return read(_outbox);
    }

    private static IEnumerable<Measurement<double>> Oldest(Outbox outbox)
        => outbox.Oldest is { } oldest ? [new Measurement<double>(oldest.ToUnixTimeMilliseconds() / 1000.0)] : [];

    private TimeSpan OldestWait()
    {
        lock (_gate) return _outbox.OldestSent is { } sent ? _time.GetElapsedTime(sent) : TimeSpan.Zero;
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

    [LoggerMessage(3006, LogLevel.Debug, "Clearing {Topic}: it is retained from an earlier run and no longer published.")]
    private partial void LogCleared(string topic);
}
