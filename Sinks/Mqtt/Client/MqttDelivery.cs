using System.Diagnostics.Metrics;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Outbox;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>
/// What is to go out, and what became of it: QoS 0 at once or never, QoS 1 through the outbox, state again at every
/// connect. Connections come and go under it. Publishing never waits for the broker and never throws for its sake.
/// Thread-safe.
/// </summary>
internal sealed partial class MqttDelivery : IAsyncDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    private readonly MqttOptions _options;
    private readonly MqttMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private Task _sync = Task.CompletedTask;

    // All below: under _gate. It is taken by publishers and by the connection's thread,
    // and never held while waiting for the broker.
    private readonly Lock _gate = new();
    private readonly OutboxQueue _outbox;
    private readonly OutboxReport _report;
    private readonly Qos0Window _qos0;
    private readonly PacketLimits _limits;
    private IMqttListener? _listener;
    private IMqttConnection? _connection;
    private TaskCompletionSource? _drained;
    private int _maxInFlight;

    /// <param name="folder">Of the outbox; null: as the options say.</param>
    /// <exception cref="InvalidOperationException">The outbox's folder cannot be used.</exception>
    public MqttDelivery(
        MqttOptions options, MqttMetrics metrics, TimeProvider time, ILogger logger, IStoreFolder? folder)
    {
        (_options, _metrics, _time, _logger) = (options, metrics, time, logger);
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

    /// <summary>How long the message that has waited longest for its acknowledgement has done so.</summary>
    public TimeSpan OldestWait
    {
        get { lock (_gate) return _outbox.OldestSent is { } sent ? _time.GetElapsedTime(sent) : TimeSpan.Zero; }
    }

    public void Start()
    {
        var meter = _metrics.Meter;
        meter.CreateObservableGauge("dvis.outbox.messages", () =>
            (long)Outstanding, "{message}", "QoS 1 messages not yet acknowledged.");
        meter.CreateObservableGauge("dvis.outbox.held", () => Locked(o => (long)o.Held), "{message}",
            "QoS 1 messages of topics that the broker refuses; they are tried again.");
        meter.CreateObservableGauge("dvis.outbox", () =>
            Locked(o => o.Bytes), "By", "Bytes of QoS 1 messages not yet acknowledged.");
        meter.CreateObservableGauge("dvis.outbox.oldest.timestamp", () =>
            Locked(Oldest), "s", "When the oldest of them was made (UTC); absent when there is none.");
        if (_outbox.Store is { } store)
        {
            meter.CreateObservableGauge("dvis.outbox.disk", () =>
                Locked(_ => store.DiskBytes), "By", "Size of the outbox's files.");
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

    /// <summary>Largest payload that every broker met so far takes on this topic.</summary>
    public int PayloadLimit(MqttTopic topic, IReadOnlyList<KeyValuePair<string, string>>? userProperties = null)
    {
        lock (_gate) return Math.Max(0, _limits.Smallest - MqttMessage.Overhead(topic, userProperties));
    }

    /// <summary>Hands over, or keeps for later, or drops and counts, as the topic says.
    /// The payload is copied.</summary>
    /// <param name="correlation">Of the message that this one answers; with QoS 0 only.</param>
    public void Publish(
        MqttTopic topic, ReadOnlyMemory<byte> payload,
        IReadOnlyList<KeyValuePair<string, string>>? userProperties = null, byte[]? correlation = null)
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

    /// <summary>From now on messages go out over this connection.</summary>
    /// <param name="listener">Of the connection; what another still says is ignored.</param>
    /// <param name="filters">Subscribed before anything is sent.</param>
    public void Attach(MqttServer server, IMqttConnection connection, MqttConnectResult result, IMqttListener listener,
        IEnumerable<string> filters)
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
            (_connection, _listener) = (connection, listener);
            _maxInFlight = Math.Min(_options.Outbox.InFlight, result.ReceiveMaximum);
            _qos0.Clear();
            foreach (var filter in filters) connection.Subscribe(filter);
            _outbox.Connected();
            Pump();
        }
    }

    /// <param name="fault">Why there is no connection any more.</param>
    public void Detach(MqttFault fault)
    {
        lock (_gate)
        {
            (_connection, _listener) = (null, null);
            // A broker that said goodbye lives, and has what it acknowledged.
            _outbox.Disconnected(lost: fault is MqttFault.ConnectionLost or MqttFault.KeepAliveTimeout
                or MqttFault.AckTimeout or MqttFault.ProtocolError);
            SignalWhenDrained();
        }
    }

    /// <summary>The broker, or the kernel for it, took one more QoS 0 message.</summary>
    public void Written(IMqttListener listener)
    {
        lock (_gate)
            if (listener == _listener) _qos0.Written();
    }

    /// <param name="reason">MQTT 5 reason code; 0x80 and above refuse.</param>
    public void Acknowledged(IMqttListener listener, long token, int reason)
    {
        lock (_gate)
        {
            if (listener != _listener) return;
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
            _metrics.Acknowledged(1, _time.GetElapsedTime(entry.Sent).TotalSeconds);
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
        _metrics.Message(entry.Topic.Kind, "acked");
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

    private void PublishNow(MqttTopic topic, ReadOnlyMemory<byte> payload,
        IReadOnlyList<KeyValuePair<string, string>>? userProperties, byte[]? correlation)
    {
        if (_connection is null || !_qos0.HasRoom(payload.Length))
        {
            _metrics.Message(topic.Kind, "dropped");
            return;
        }

        var handOver = _connection.Publish(new(topic, payload, topic.ExpirySeconds, userProperties, correlation), 0);
        if (handOver != MqttHandOver.Accepted)
        {
            _metrics.Message(topic.Kind, handOver == MqttHandOver.Closed ? "dropped" : "failed");
            return;
        }

        _qos0.HandedOver(topic, payload.Length);
        _metrics.Message(topic.Kind, "sent");
        _metrics.Published(topic.Kind, payload.Length);
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
                    _metrics.Message(entry.Topic.Kind, again ? "resent" : "sent");
                    _metrics.Published(entry.Topic.Kind, payload.Length);
                    break;
                case MqttHandOver.Closed:
                    if (!again) entry.Sent = 0;
                    _outbox.PutBack(entry);
                    return;
                case var refused:
                    _outbox.Complete(entry.Token, accepted: false);
                    _report.Refused(entry.Topic, payload.Length, refused == MqttHandOver.TooLarge
                        ? "too_large"
                        : "refused");
                    break;
            }
        }
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
