using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>QoS 1 messages in order. Durable ones are written to the store at once, and only the first that wait are in
/// memory too; without a store, or while its disk fails, they wait in memory alone. Retained messages are state: only
/// the last of a topic counts, every connect repeats it, and none waits without a connection. Not
/// thread-safe.</summary>
/// <param name="store">Null: memory only. Disposed of here.</param>
/// <param name="dropped">Called with each message that is given up, and the reason.</param>
/// <param name="backoff">Pauses before a refused topic is tried again; null: the default.</param>
internal sealed class OutboxQueue(MqttOutboxOptions options, TimeProvider time, OutboxStore? store,
    Action<OutboxEntry, string> dropped, BackoffOptions? backoff = null) : IDisposable
{
    // How much of what waits on disk is in memory, to feed a connection from there.
    private const int Window = 512;
    private const long WindowBytes = 4 << 20;

    // How much is kept after its acknowledgement.
    private const int MaxKept = 4096;
    private const long MaxKeptBytes = 16 << 20;

    private readonly HeldTopics _held = new(backoff ?? new(), time);
    private readonly EntryList _kept = []; // acknowledged, but a broker acknowledges before it saves
    private readonly EntryList _inFlight = [];
    private readonly EntryList _waiting = [];
    private readonly EntryList _stranded = []; // in memory, after what is on disk only: the disk failed when they came
    private readonly OrderedDictionary<MqttTopic, OutboxEntry> _announced = [];
    private (int Messages, long Bytes) _memoryOnly;
    private long _lastToken, _missed;
    private bool _connected;

    /// <summary>Messages of topics that the broker refuses for now.</summary>
    public int Held => _held.Count;

    /// <summary>Messages not yet acknowledged, without those held.</summary>
    public int Count => _inFlight.Count + _waiting.Count + _stranded.Count + (store?.Unread ?? 0);

    /// <summary>Payload bytes not yet acknowledged; for messages only on disk, record bytes.</summary>
    public long Bytes => _inFlight.Bytes + _waiting.Bytes + _stranded.Bytes + (store?.UnreadBytes ?? 0);

    public int InFlight => _inFlight.Count;

    public OutboxStore? Store => store;

    /// <summary>Hand-over timestamp of the longest unacknowledged message, or null.</summary>
    public long? OldestSent => _inFlight.First?.Sent;

    /// <summary>Creation time of the oldest durable message that is not acknowledged, or null.</summary>
    public DateTimeOffset? Oldest => (_inFlight.FirstOrDefault(e => !e.Topic.Retain) ?? OldestWaiting())?.Created;

    /// <summary>True when a retained message of this topic stands, or is being cleared.</summary>
    public bool Announces(MqttTopic topic) => _announced.ContainsKey(topic);

    /// <summary>Adds a message, and drops the oldest that are too many.</summary>
    public void Add(MqttTopic topic, byte[] payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties = null)
    {
        var entry = new OutboxEntry(topic, payload, userProperties, time.GetUtcNow(), time.GetTimestamp())
        { Token = ++_lastToken, Late = !_connected };
        if (topic.Retain)
        {
            _announced[topic] = entry;
            if (_waiting.FirstOrDefault(e => e.Topic == topic) is { } before) _waiting.Remove(before);
            if (_connected) _waiting.AddLast(entry);
            return;
        }

        Save();
        if (store is not null && payload.Length > options.MaxBytes) dropped(entry, "max_bytes");
        else Keep(entry);
        Trim();
    }

    /// <summary>Queues everything retained, as it stands now, before what was not acknowledged.</summary>
    public void Connected()
    {
        _connected = true;
        Trim();
        _waiting.AddFirst([.. _announced.Values]);
    }

    /// <summary>Queues what was in flight again, before the rest.</summary>
    /// <param name="lost">The broker may have died: what it acknowledged of late is queued again, too.</param>
    public void Disconnected(bool lost)
    {
        _connected = false;
        var kept = lost ? _kept.TakeAll() : [];
        foreach (var entry in kept.Where(e => e.InMemoryOnly)) CountMemoryOnly(entry, 1);
        var again = kept.Concat(_inFlight.TakeAll()).Concat(_held.TakeAll()).Concat(_waiting.TakeAll());
        foreach (var entry in again.Where(e => !e.Topic.Retain).OrderBy(e => e.Token)) _waiting.AddLast(entry);
        foreach (var entry in _waiting.Concat(_stranded)) entry.Late = true;
        _missed = store?.Last ?? 0;
    }

    /// <summary>The next message to hand over, now in flight; null when none waits.</summary>
    public OutboxEntry? Take()
    {
        while (true)
        {
            if (_waiting.Count == 0) Load();
            if (_waiting.TakeFirst() is not { } entry) return null;
            if (entry.Topic.Retain || !_held.Holds(entry))
            {
                _inFlight.AddLast(entry);
                return entry;
            }

            _held.Add(entry);
            LimitHeld();
        }
    }

    /// <summary>Holds a message in flight whose topic the broker refuses for now; the topic rests.</summary>
    /// <returns>Null when the message cannot be held.</returns>
    public OutboxEntry? Refuse(long token)
    {
        var entry = _inFlight.FirstOrDefault(e => e.Token == token);
        // While the disk fails, memory is for what was never refused.
        if (entry is null || entry.Topic.Retain || (store is not null && entry.InMemoryOnly)) return null;
        _inFlight.Remove(entry);
        _held.Refuse(entry);
        LimitHeld();
        return entry;
    }

    /// <summary>Puts back the last message of <see cref="Take"/>, which could not be handed over.</summary>
    public void PutBack(OutboxEntry entry)
    {
        _inFlight.Remove(entry);
        _waiting.AddFirst(entry);
    }

    /// <summary>Completes a message in flight, accepted or refused for good.</summary>
    /// <returns>Null when <paramref name="token"/> is not in flight.</returns>
    public OutboxEntry? Complete(long token, bool accepted)
    {
        if (_inFlight.FirstOrDefault(e => e.Token == token) is not { } entry) return null;
        _inFlight.Remove(entry);
        if (entry.Topic.Retain)
        {
            // The broker has deleted what was retained there: nothing is left to repeat.
            if (entry.Payload.Length == 0 && _announced.GetValueOrDefault(entry.Topic) == entry)
                _announced.Remove(entry.Topic);
            return entry;
        }

        if (entry.InMemoryOnly) CountMemoryOnly(entry, -1);
        if (accepted) _waiting.AddFirst(_held.Accept(entry.Topic.Name));
        // While the disk fails, memory is for what was never acknowledged.
        if (accepted && (store is null || !entry.InMemoryOnly))
        {
            entry.KeptSince = time.GetTimestamp();
            _kept.AddLast(entry);
        }
        else
        {
            Release(entry);
        }

        LimitKept();
        return entry;
    }

    /// <summary>Drops what is too old, retries refused topics and failed writes, saves what is done.</summary>
    public void Tick()
    {
        LimitKept();
        _waiting.AddFirst(_held.TakeDue());
        Trim();
        Save();
        store?.SaveCursor();
    }

    /// <summary>What is not acknowledged stays on disk for the next run.</summary>
    public void Dispose()
    {
        foreach (var entry in _kept.TakeAll()) Release(entry);
        Save();
        store?.Dispose();
    }

    private void Keep(OutboxEntry entry)
    {
        var read = store is { Unread: 0 } && _stranded.Count == 0 && _waiting.Count < Window
            && _waiting.Bytes + entry.Payload.Length <= WindowBytes;
        if (_memoryOnly.Messages == 0 && TryStore(entry, read))
        {
            if (read) _waiting.AddLast(entry);
            return;
        }

        CountMemoryOnly(entry, 1);
        (store is { Unread: > 0 } ? _stranded : _waiting).AddLast(entry);
    }

    private bool TryStore(OutboxEntry entry, bool read)
    {
        if (store is null) return false;
        while (store.Bytes + RecordCodec.Size(entry) > options.MaxBytes && DropOldest())
        {
        }

        if (store.TryAppend(entry, read && store.Unread == 0) is not { } sequence) return false;
        entry.Sequence = sequence;
        if (!_connected) _missed = sequence;
        return true;
    }

    /// <summary>Writes what is in memory only, oldest first, when the disk works again.</summary>
    private void Save()
    {
        if (store is not { Ready: true } || _memoryOnly.Messages == 0) return;
        Load();
        foreach (var entry in _inFlight.Concat(_waiting).Where(e => e.InMemoryOnly).ToList())
        {
            if (!TryStore(entry, read: true)) return;
            CountMemoryOnly(entry, -1);
        }

        while (_stranded.First is { } entry)
        {
            if (!TryStore(entry, read: false)) return;
            CountMemoryOnly(entry, -1);
            _stranded.Remove(entry);
        }
    }

    /// <summary>Reads from disk until the window is full.</summary>
    private void Load()
    {
        while (store is { Unread: > 0 } && _waiting.Count < Window && _waiting.Bytes < WindowBytes
            && store.Read(out var own) is { } entry)
        {
            entry.Token = ++_lastToken;
            entry.Late = !own || entry.Sequence <= _missed;
            if (!own) entry.Enqueued = TimestampOf(entry.Created);
            _waiting.AddLast(entry);
        }

        if (store is { Unread: > 0 }) return;
        while (_stranded.TakeFirst() is { } stranded) _waiting.AddLast(stranded);
    }

    // Only the wall clock survives a run, and it may have been set since.
    private long TimestampOf(DateTimeOffset created)
        => time.GetTimestamp()
            - (long)(Math.Max(0, (time.GetUtcNow() - created).TotalSeconds) * time.TimestampFrequency);

    private void Trim()
    {
        while (OldestWaiting() is { } waiting && time.GetElapsedTime(waiting.Enqueued) > options.MaxAge)
            Drop(waiting, "max_age");
        while (_held.Oldest is { } held && time.GetElapsedTime(held.Enqueued) > options.MaxAge)
            Drop(held, "max_age");
        while (_memoryOnly.Messages > options.MemoryMessages || _memoryOnly.Bytes > options.MemoryBytes)
        {
            if (_held.Oldest is { InMemoryOnly: true } refused) Drop(refused, "not_authorized");
            else if ((_waiting.FirstOrDefault(e => e.InMemoryOnly) ?? _stranded.First) is { } oldest)
                Drop(oldest, "memory_full");
            else return;
        }
    }

    private bool DropOldest()
    {
        if (_kept.TakeFirst() is { } kept) Release(kept);
        else if (_held.Oldest is { Sequence: > 0 } held) Drop(held, "not_authorized");
        else if (OldestWaiting() is { Sequence: > 0 } waiting) Drop(waiting, "max_bytes");
        else return false;
        return true;
    }

    private OutboxEntry? OldestWaiting()
    {
        if (_waiting.FirstOrDefault(e => !e.Topic.Retain) is { } first) return first;
        Load();
        return _waiting.FirstOrDefault(e => !e.Topic.Retain);
    }

    private void Drop(OutboxEntry entry, string reason)
    {
        if (!_held.Remove(entry) && !_waiting.Remove(entry)) _stranded.Remove(entry);
        if (entry.InMemoryOnly) CountMemoryOnly(entry, -1);
        Release(entry);
        dropped(entry, reason);
    }

    // Held messages are in memory, also those that are on disk.
    private void LimitHeld()
    {
        while (_held.Count > options.MemoryMessages || _held.Bytes > options.MemoryBytes)
            Drop(_held.Oldest!, "not_authorized");
    }

    private void LimitKept()
    {
        while (_kept.First is { } oldest && (_kept.Count > MaxKept || _kept.Bytes > MaxKeptBytes
            || time.GetElapsedTime(oldest.KeptSince) >= options.KeepAcknowledged))
            Release(_kept.TakeFirst()!);
    }

    private void Release(OutboxEntry entry)
    {
        if (entry.Sequence > 0) store!.Release(entry.Sequence);
    }

    private void CountMemoryOnly(OutboxEntry entry, int sign)
        => _memoryOnly = (_memoryOnly.Messages + sign, _memoryOnly.Bytes + (sign * entry.Payload.Length));
}
