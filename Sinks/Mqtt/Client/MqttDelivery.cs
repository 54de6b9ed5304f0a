using System.Diagnostics.Metrics;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Outbox;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>Delivery of messages over changing connections: QoS 0 at once or never, QoS 1 through the outbox, state
/// again at every connect. Publishing never waits for the broker and never fails because of it. Thread-safe.</summary>
internal sealed partial class MqttDelivery : IMqttListener, IAsyncDisposable
{
    private static readonly TimeSpan s_beat = TimeSpan.FromSeconds(1);

    // A broker that ends connections at SUBSCRIBE is found out within this time; results flow meanwhile.
    private static readonly TimeSpan s_subscribePause = TimeSpan.FromSeconds(5);

    private readonly MqttOptions _options;
    private readonly MqttMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private Task _sync = Task.CompletedTask;

    // Everything below is used under _gate, which publishers and the connection's thread take, and which is never held
    // while waiting for the broker.
    private readonly Lock _gate = new();
    private readonly OutboxQueue _outbox;
    private readonly OutboxReport _report;
    private readonly Qos0Window _qos0;
    private readonly Subscriptions _subscriptions;
    private readonly Dictionary<MqttServer, int> _packetLimits = [];
    private int _packetLimit; // the smallest known: it is open to which broker a message will go
    private BrokerLimits _limits = new(); // of the last connection
    private IMqttConnection? _connection;
    private TaskCompletionSource? _drained;
    private int _maxInFlight;

    /// <exception cref="InvalidOperationException">The outbox's folder cannot be used.</exception>
    public MqttDelivery(MqttOptions options, MqttMetrics metrics, TimeProvider time, ILogger logger)
    {
        (_options, _metrics, _time, _logger) = (options, metrics, time, logger);
        (_report, _qos0) = (new(metrics, time, logger), new(metrics));
        var longest = options.Backoff.Max;
        _subscriptions = new(longest < s_subscribePause ? longest : s_subscribePause, time, logger);
        var folder = DiskFolder.Open(options.Outbox);
        var store = folder is null ? null : new OutboxStore(folder, time, _report.DiskFailed, _report.Damaged);
        if (store is not null) _report.Left(store);
        _outbox = new(options.Outbox, time, store, _report.Dropped, options.Backoff);
        _packetLimit = store?.PacketLimit ?? int.MaxValue;
    }

    /// <summary>QoS 1 messages not acknowledged, waiting or in flight.</summary>
    public int Outstanding => Locked(o => o.Count);

    /// <summary>True when the next run sends what is not acknowledged at the end.</summary>
    public bool OnDisk => _outbox.Store is { Healthy: true };

    /// <summary>Limits of the last broker that was connected.</summary>
    public BrokerLimits Limits => Locked(_ => _limits);

    /// <inheritdoc cref="Subscriptions.Ended"/>
    public bool EndedBySubscribe => Locked(_ => _subscriptions.Ended);

    /// <summary>Called before the use of a connection that changes <see cref="PayloadLimit"/> or
    /// <see cref="Limits"/>.</summary>
    public Action LimitChanged { get; set; } = static () => { };

    /// <summary>Age of the oldest message in flight since its hand-over.</summary>
    public TimeSpan OldestWait =>
        Locked(o => o.OldestSent is { } sent ? _time.GetElapsedTime(sent) : TimeSpan.Zero);

    /// <summary>Subscribes at every connect. To be called before the start; <paramref name="handler"/> runs on the
    /// connection's thread and must not wait.</summary>
    /// <param name="loss">What is lost when the broker refuses, as the beginning of a sentence.</param>
    public void Subscribe(string loss, string[] filters, Action<MqttReceived> handler) =>
        _subscriptions.Add(loss, filters, handler);

    public void Start()
    {
        var meter = _metrics.Meter;
        meter.CreateObservableGauge("dvis.outbox.messages", () => (long)Outstanding, "{message}",
            "QoS 1 messages not yet acknowledged.");
        meter.CreateObservableGauge("dvis.outbox.held", () => Locked(o => (long)o.Held), "{message}",
            "QoS 1 messages of topics that the broker refuses; they are tried again.");
        meter.CreateObservableGauge("dvis.outbox", () => Locked(o => o.Bytes), "By",
            "Bytes of QoS 1 messages not yet acknowledged.");
        meter.CreateObservableGauge("dvis.outbox.oldest.timestamp", () => Locked(Oldest), "s",
            "When the oldest of them was made (UTC); absent when there is none.");
        _metrics.ObserveOutbox(() => (Outstanding, Locked(o => o.Bytes)));
        if (_outbox.Store is { } store)
        {
            meter.CreateObservableGauge("dvis.outbox.disk", () => Locked(_ => store.DiskBytes), "By",
                "Size of the outbox's files.");
            _metrics.OutboxDisk(true);
        }

        _sync = Task.Run(() => SyncAsync(_stop.Token));
    }

    /// <summary>What waits in memory is lost: flush first.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _sync;
        lock (_gate) _outbox.Dispose();
        _stop.Dispose();
    }

    /// <summary>Largest payload in bytes on this topic for every broker connected so far.</summary>
    public int PayloadLimit(MqttTopic topic)
    {
        lock (_gate) return Math.Max(0, _packetLimit - topic.Overhead);
    }

    /// <summary>Sends, queues, or drops and counts a message, by its topic. The payload is copied.</summary>
    /// <param name="correlation">Data of the message that this one answers; with QoS 0 only.</param>
    public void Publish(
        MqttTopic topic, ReadOnlyMemory<byte> payload,
        IReadOnlyList<KeyValuePair<string, string>>? userProperties = null, byte[]? correlation = null)
    {
        lock (_gate)
        {
            if (topic.Qos == 0)
            {
                PublishNow(new(topic, payload, userProperties, correlation));
                return;
            }

            _outbox.Add(topic, payload.ToArray(), userProperties);
            Pump();
        }
    }

    /// <summary>Clears a retained topic unless it is one of this run's.</summary>
    public void ClearUnannounced(string name)
    {
        var topic = MqttTopic.OfState(name);
        lock (_gate)
        {
            if (_outbox.Announces(topic)) return;
            LogCleared(name);
            Publish(topic, ReadOnlyMemory<byte>.Empty);
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

    /// <summary>Sends messages over this connection from now on; calls of any other have no effect.</summary>
    public void Attach(MqttServer server, IMqttConnection connection, MqttConnectResult result)
    {
        bool changed;
        lock (_gate)
        {
            _packetLimits[server] = result.Limits.MaximumPacketSize;
            var limit = _packetLimits.Values.Min();
            changed = (limit, result.Limits.Qos, result.Limits.Retain) != (_packetLimit, _limits.Qos, _limits.Retain);
            (_packetLimit, _limits) = (limit, result.Limits);
            if (_outbox.Store is { } store) store.PacketLimit = limit;
        }

        if (changed) LimitChanged();
        lock (_gate)
        {
            _connection = connection;
            _maxInFlight = Math.Min(_options.Outbox.InFlight, _limits.ReceiveMaximum);
            _qos0.Clear();
            _outbox.Connected();
            Pump();
            _subscriptions.Attach(server, connection, _limits);
        }
    }

    /// <param name="outcome">Reason of the disconnection.</param>
    public void Detach(MqttOutcome outcome)
    {
        lock (_gate)
        {
            _connection = null;
            _subscriptions.Detach(outcome);
            // A broker that sends DISCONNECT still has what it acknowledged.
            _outbox.Disconnected(lost: outcome.Fault is MqttFault.ConnectionLost or MqttFault.KeepAliveTimeout
                or MqttFault.AckTimeout or MqttFault.ProtocolError);
            SignalWhenDrained();
        }
    }

    public void Written(IMqttConnection connection, long token)
    {
        lock (_gate)
        {
            if (connection != _connection) return;
            if (token == 0)
            {
                _qos0.Written();
                return;
            }

            // The broker accepts QoS 0 only: no acknowledgement comes.
            _outbox.Complete(token, accepted: true);
            Pump();
        }
    }

    public void Subscribed(IMqttConnection connection, int reason)
    {
        lock (_gate)
            if (connection == _connection) _subscriptions.Answered(reason);
    }

    public void Received(IMqttConnection connection, MqttReceived message)
    {
        lock (_gate)
            if (connection != _connection) return;
        foreach (var handler in _subscriptions.Of(message.Topic)) handler(message);
    }

    public void Acknowledged(IMqttConnection connection, long token, int reason)
    {
        lock (_gate)
        {
            if (connection != _connection) return;
            OutboxEntry? entry;
            // An access list may be corrected, a quota ends.
            if (reason is 0x87 or 0x97 && (entry = _outbox.Refuse(token)) is not null)
            {
                _report.Held(entry, Refusal(reason));
            }
            else
            {
                var accepted = reason < 0x80;
                entry = _outbox.Complete(token, accepted);
                if (entry is null) return;
                _metrics.Acknowledged(_time.GetElapsedTime(entry.Sent).TotalSeconds);
                if (accepted) _report.Accepted(entry);
                else _report.Refused(entry.Topic, entry.Payload.Length, Refusal(reason));
            }

            _qos0.ConfirmUpTo(entry.Confirms);
            Pump();
            _subscriptions.Open();
        }
    }

    /// <summary>Name of a PUBACK reason (MQTT 5, 3.4.2.1).</summary>
    private static string Refusal(int reason) => reason switch
    {
        0x87 => "not_authorized",
        0x95 => "too_large",
        0x97 => "quota_exceeded",
        _ => "refused",
    };

    private void PublishNow(in MqttMessage message)
    {
        var (kind, bytes) = (message.Topic.Kind, message.Payload.Length);
        var handOver = _connection is { } connection && _qos0.HasRoom(bytes)
            ? connection.Publish(message, 0)
            : MqttHandOver.Closed;
        if (handOver != MqttHandOver.Accepted)
        {
            _metrics.Message(kind, handOver == MqttHandOver.Closed ? "dropped" : "failed");
            return;
        }

        _qos0.HandedOver(message.Topic, bytes);
        _metrics.Message(kind, "sent");
        _metrics.Published(kind, bytes);
    }

    private void Pump()
    {
        while (_connection is { } connection && _outbox.InFlight < _maxInFlight && _outbox.Take() is { } entry)
        {
            var again = entry.Sent != 0;
            var (payload, properties) = entry.Outgoing();
            entry.Sent = _time.GetTimestamp();
            entry.Confirms = _qos0.Sent;
            var handOver = connection.Publish(new(entry.Topic, payload, properties), entry.Token);
            if (handOver == MqttHandOver.Closed)
            {
                if (!again) entry.Sent = 0;
                _outbox.PutBack(entry);
                break;
            }

            if (handOver == MqttHandOver.Accepted)
            {
                _metrics.Message(entry.Topic.Kind, again ? "resent" : "sent");
                _metrics.Published(entry.Topic.Kind, payload.Length);
                continue;
            }

            _outbox.Complete(entry.Token, accepted: false);
            var reason = handOver == MqttHandOver.TooLarge ? "too_large" : "refused";
            _report.Refused(entry.Topic, payload.Length, reason);
        }

        SignalWhenDrained();
    }

    /// <summary>Limits age and unsynced data of the outbox while nothing else happens.</summary>
    private async Task SyncAsync(CancellationToken stop)
    {
        var (interval, synced) = (_options.Outbox.SyncInterval, _time.GetTimestamp());
        using var timer = new PeriodicTimer(interval > TimeSpan.Zero && interval < s_beat ? interval : s_beat, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                lock (_gate)
                {
                    _outbox.Tick();
                    if (_outbox.Store is { } store) _report.DiskState(store.Healthy);
                    Pump();
                    _subscriptions.Advance();
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

    // Outside the lock: publishers must not wait for the disk.
    private void Sync(bool toDisk)
    {
        if (_outbox.Store is not { } store) return;
        (IStoreFile? Active, IReadOnlyList<IStoreFile> Rolled) files;
        lock (_gate) files = store.Unsynced();
        try
        {
            if (!toDisk) return;
            foreach (var file in files.Rolled) file.Sync();
            files.Active?.Sync();
        }
        catch (ObjectDisposedException)
        {
            // The file failed meanwhile, which is reported.
        }
        catch (IOException e)
        {
            lock (_gate) store.Fail(e);
        }
        finally
        {
            foreach (var file in files.Rolled) file.Dispose();
        }
    }

    private T Locked<T>(Func<OutboxQueue, T> read)
    {
        lock (_gate) return read(_outbox);
    }

    private static IEnumerable<Measurement<double>> Oldest(OutboxQueue outbox)
        => outbox.Oldest is { } oldest ? [new Measurement<double>(oldest.ToUnixTimeMilliseconds() / 1000.0)] : [];

    private void SignalWhenDrained()
    {
        if (_outbox.Count > 0) return;
        _drained?.TrySetResult();
        _drained = null;
    }

    [LoggerMessage(3006, LogLevel.Debug,
        "Clearing {Topic}: it is retained from an earlier run and no longer published.")]
    private partial void LogCleared(string topic);
}
