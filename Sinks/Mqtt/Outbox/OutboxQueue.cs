using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>
/// QoS 1 messages in order. Durable ones are written to the store as they come, and only the first that wait are in
/// memory too; without a store, or while its disk fails, they wait in memory alone. Retained messages are state: only
/// the last of a topic counts, they are kept to be repeated at every connect, and never wait without a connection. Not
/// thread-safe.
/// </summary>
/// <param name="store">Null: memory only. Disposed of here.</param>
/// <param name="dropped">Told of every message that is given up, and why.</param>
/// <param name="backoff">Pauses before a topic that was refused is tried again; null: the default.</param>
internal sealed class OutboxQueue(MqttOutboxOptions options, TimeProvider time, OutboxStore? store,
    Action<OutboxEntry, string> dropped, BackoffOptions? backoff = null) : IDisposable
{
    // How much of what waits on disk is in memory, so that a connection is fed from there.
    private const int Window = 512;
    private const long WindowBytes = 4 << 20;

    private readonly HeldTopics _held = new(backoff ?? new(), time);
    private readonly KeptMessages _kept = new(options.KeepAcknowledged, time);
    private readonly List<OutboxEntry> _inFlight = [];
    private readonly LinkedList<OutboxEntry> _waiting = [];
    // after what is on disk only: the disk failed when they came
    private readonly LinkedList<OutboxEntry> _stranded = [];
    private readonly OrderedDictionary<MqttTopic, OutboxEntry> _announced = [];
    private (int Messages, long Bytes) _memoryOnly;
    private long _bytes, _waitingBytes, _lastToken, _missed;
    private bool _connected;

    /// <summary>Messages of topics that the broker refuses for now.</summary>
    public int Held => _held.Count;

    /// <summary>Messages not yet acknowledged; those held are not among them.</summary>
    public int Count => _inFlight.Count + _waiting.Count + _stranded.Count + (store?.Unread ?? 0);

    /// <summary>Of them; of what is on disk only, with its heads.</summary>
    public long Bytes => _bytes + (store?.UnreadBytes ?? 0);

    public int InFlight => _inFlight.Count;

    public OutboxStore? Store => store;

    /// <summary>Timestamp at which the longest unacknowledged message was handed over, or null.</summary>
    public long? OldestSent => _inFlight.Count > 0 ? _inFlight[0].Sent : null;

    /// <summary>When the oldest durable message that is not acknowledged was made, or null.</summary>
    public DateTimeOffset? Oldest => (_inFlight.Find(e => !e.Topic.Retain) ?? OldestWaiting()?.Value)?.Created;

    /// <summary>True when a retained message of this topic stands, or is being cleared.</summary>
    public bool Announces(string topic)
    {
        foreach (var announced in _announced.Keys)
            if (announced.Name == topic) return true;
        return false;
    }

    /// <summary>Takes a message, and drops the oldest that are too many for it.</summary>
    public void Add(MqttTopic topic, byte[] payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties = null)
    {
        var entry = new OutboxEntry(++_lastToken, topic, payload, userProperties, time.GetUtcNow(), time.GetTimestamp())
        { Late = !_connected };
        if (topic.Retain)
        {
            _announced[topic] = entry;
            RemoveWaiting(e => e.Topic == topic);
            if (_connected) Append(_waiting, entry);
            return;
        }

        Save();
        if (store is not null && payload.Length > options.MaxBytes) dropped(entry, "max_bytes");
        else Keep(entry);
        Trim();
    }

    /// <summary>Everything retained first, as it stands now, then what was not acknowledged, in order.</summary>
    public void Connected()
    {
        _connected = true;
        Trim();
        for (var i = _announced.Count - 1; i >= 0; i--) Prepend(_announced.GetAt(i).Value);
    }

    /// <summary>What was in flight waits again, before the rest.</summary>
    /// <param name="lost">The broker may have died: what it acknowledged of late waits again, too.</param>
    public void Disconnected(bool lost)
    {
        _connected = false;
        foreach (var entry in _inFlight) _bytes -= entry.Payload.Length;
        var kept = lost ? _kept.TakeAll() : [];
        foreach (var entry in kept.Where(e => e.InMemoryOnly)) CountMemoryOnly(entry, 1);
        RemoveWaiting(e => e.Topic.Retain);
        // All of it in order again, also what was about to be tried once more, which may be older than what is held.
        var again = kept.Concat(_inFlight.Where(e => !e.Topic.Retain)).Concat(_held.TakeAll()).Concat(_waiting)
            .OrderBy(e => e.Token).ToList();
        (_bytes, _waitingBytes) = (_bytes - _waitingBytes, 0);
        _waiting.Clear();
        _inFlight.Clear();
        PrependAll(again);
        foreach (var entry in _waiting.Concat(_stranded)) entry.Late = true;
        _missed = store?.Last ?? 0;
    }

    /// <summary>The next message to hand over, now in flight; null when none waits.</summary>
    public OutboxEntry? Take()
    {
        while (true)
        {
            if (_waiting.Count == 0) Load();
            if (_waiting.First?.Value is not { } entry) return null;
            _waiting.RemoveFirst();
            _waitingBytes -= entry.Payload.Length;
            if (!entry.Topic.Retain && _held.Holds(entry))
            {
                _bytes -= entry.Payload.Length;
                _held.Add(entry);
                LimitHeld();
                continue;
            }

            _inFlight.Add(entry);
            return entry;
        }
    }

    /// <summary>The broker refuses the topic, and may not for ever: the message waits, the topic rests.
    /// Null when it is done with.</summary>
    public OutboxEntry? Refuse(long token)
    {
        var entry = _inFlight.Find(e => e.Token == token);
        // While the disk fails, memory is for what nobody has refused.
        if (entry is null || entry.Topic.Retain || (store is not null && entry.InMemoryOnly)) return null;
        _inFlight.Remove(entry);
        _bytes -= entry.Payload.Length;
        _held.Refuse(entry);
        LimitHeld();
        return entry;
    }

    /// <summary>Puts back what <see cref="Take"/> gave last and could not be handed over.</summary>
    public void PutBack(OutboxEntry entry)
    {
        _inFlight.Remove(entry);
        _waiting.AddFirst(entry);
        _waitingBytes += entry.Payload.Length;
    }

    /// <summary>The broker has it, or will not have it. Null when <paramref name="token"/> is not in flight.</summary>
    /// <param name="accepted">False: it is done with for good.</param>
    public OutboxEntry? Complete(long token, bool accepted)
    {
        var i = _inFlight.FindIndex(e => e.Token == token);
        if (i < 0) return null;
        var entry = _inFlight[i];
        _inFlight.RemoveAt(i);
        _bytes -= entry.Payload.Length;
        if (entry.Topic.Retain)
        {
            // The broker has deleted what was retained there: nothing is left to repeat.
            if (entry.Payload.Length == 0 && _announced.GetValueOrDefault(entry.Topic) == entry)
                _announced.Remove(entry.Topic);
            return entry;
        }

        if (entry.InMemoryOnly) CountMemoryOnly(entry, -1);
        if (accepted) PrependAll(_held.Accept(entry.Topic.Name));
        // While the disk fails, memory is for what was never acknowledged.
        if (accepted && (store is null || !entry.InMemoryOnly)) _kept.Add(entry);
        else Release(entry);
        Forget();
        return entry;
    }

    /// <summary>From time to time: what is too old goes, what the disk did not take is offered again,
    /// and the next run learns what is done.</summary>
    public void Tick()
    {
        Forget();
        PrependAll(_held.TakeDue());
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
            && _waitingBytes + entry.Payload.Length <= WindowBytes;
        if (_memoryOnly.Messages == 0 && TryStore(entry, read))
        {
            if (read) Append(_waiting, entry);
            return;
        }

        CountMemoryOnly(entry, 1);
        Append(store is { Unread: > 0 } ? _stranded : _waiting, entry);
    }

    private bool TryStore(OutboxEntry entry, bool read)
    {
        if (store is null) return false;
        var message =
            new StoredMessage(0, entry.Topic, entry.Payload, entry.UserProperties, entry.Created, entry.Enqueued);
        while (store.Bytes + RecordCodec.Size(message) > options.MaxBytes && DropOldest())
        {
        }

        if (store.TryAppend(message, read && store.Unread == 0) is not { } sequence) return false;
        entry.Sequence = sequence;
        if (!_connected) _missed = sequence;
        return true;
    }

    /// <summary>Writes what is in memory only, oldest first, if the disk takes it again.</summary>
    private void Save()
    {
        if (store is not { Ready: true } || _memoryOnly.Messages == 0) return;
        Load();
        foreach (var entry in _inFlight.Concat(_waiting).Where(e => e.InMemoryOnly).ToList())
        {
            if (!TryStore(entry, read: true)) return;
            CountMemoryOnly(entry, -1);
        }

        while (_stranded.First?.Value is { } entry)
        {
            if (!TryStore(entry, read: false)) return;
            CountMemoryOnly(entry, -1);
            _stranded.RemoveFirst();
            _bytes -= entry.Payload.Length;
        }
    }

    /// <summary>Reads from disk until the window is full.</summary>
    private void Load()
    {
        while (store is { Unread: > 0 } && _waiting.Count < Window && _waitingBytes < WindowBytes
            && store.Read(out var own) is { } m)
            Append(_waiting, new(++_lastToken, m.Topic, m.Payload, m.UserProperties, m.CreatedUtc, own
                ? m.Created
                : Then(m.CreatedUtc))
            { Sequence = m.Sequence, Late = !own || m.Sequence <= _missed });
        if (store is { Unread: > 0 }) return;
        while (_stranded.First is { } node)
        {
            _stranded.RemoveFirst();
            _waiting.AddLast(node);
            _waitingBytes += node.Value.Payload.Length;
        }
    }

    // Of another run only the wall clock is known, and it may have been set since.
    private long Then(DateTimeOffset created)
        => time.GetTimestamp()
            - (long)(Math.Max(0, (time.GetUtcNow() - created).TotalSeconds) * time.TimestampFrequency);

    private void Trim()
    {
        while (OldestWaiting() is { } oldest && time.GetElapsedTime(oldest.Value.Enqueued) > options.MaxAge)
            Drop(oldest, "max_age");
        while (_held.Oldest is { } held && time.GetElapsedTime(held.Enqueued) > options.MaxAge)
            DropHeld(held, "max_age");
        while (_memoryOnly.Messages > options.MemoryMessages || _memoryOnly.Bytes > options.MemoryBytes)
        {
            if (_held.Oldest is { InMemoryOnly: true } refused) DropHeld(refused, "not_authorized");
            else if ((Find(_waiting, e => e.InMemoryOnly) ?? _stranded.First) is { } oldest)
                Drop(oldest, "memory_full");
            else return;
        }
    }

    private bool DropOldest()
    {
        if (_kept.Take() is { } kept)
        {
            Release(kept);
            return true;
        }

        if (_held.Oldest is { Sequence: > 0 } held)
        {
            DropHeld(held, "not_authorized");
            return true;
        }

        if (OldestWaiting() is not { Value.Sequence: > 0 } oldest) return false;
        Drop(oldest, "max_bytes");
        return true;
    }

    private LinkedListNode<OutboxEntry>? OldestWaiting()
    {
        if (Find(_waiting, e => !e.Topic.Retain) is { } first) return first;
        Load();
        return Find(_waiting, e => !e.Topic.Retain);
    }

    private void Drop(LinkedListNode<OutboxEntry> node, string reason)
    {
        var entry = node.Value;
        if (node.List == _waiting) _waitingBytes -= entry.Payload.Length;
        node.List!.Remove(node);
        _bytes -= entry.Payload.Length;
        if (entry.InMemoryOnly) CountMemoryOnly(entry, -1);
        Release(entry);
        dropped(entry, reason);
    }

    // They are in memory, whether on disk too or not.
    private void LimitHeld()
    {
        while (_held.Count > options.MemoryMessages || _held.Bytes > options.MemoryBytes)
            DropHeld(_held.Oldest!, "not_authorized");
    }

    private void DropHeld(OutboxEntry entry, string reason)
    {
        _held.Remove(entry);
        if (entry.InMemoryOnly) CountMemoryOnly(entry, -1);
        Release(entry);
        dropped(entry, reason);
    }

    private void Forget()
    {
        while (_kept.TakeOld() is { } entry) Release(entry);
    }

    private void Release(OutboxEntry entry)
    {
        if (entry.Sequence > 0) store!.Release(entry.Sequence);
    }

    private void CountMemoryOnly(OutboxEntry entry, int sign)
        => _memoryOnly = (_memoryOnly.Messages + sign, _memoryOnly.Bytes + (sign * entry.Payload.Length));

    private void Append(LinkedList<OutboxEntry> list, OutboxEntry entry)
    {
        list.AddLast(entry);
        _bytes += entry.Payload.Length;
        if (list == _waiting) _waitingBytes += entry.Payload.Length;
    }

    private void PrependAll(IReadOnlyList<OutboxEntry> entries)
    {
        for (var i = entries.Count - 1; i >= 0; i--) Prepend(entries[i]);
    }

    private void Prepend(OutboxEntry entry)
    {
        _waiting.AddFirst(entry);
        _bytes += entry.Payload.Length;
        _waitingBytes += entry.Payload.Length;
    }

    private void RemoveWaiting(Predicate<OutboxEntry> match)
    {
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (match(node.Value))
            {
                _bytes -= node.Value.Payload.Length;
                _waitingBytes -= node.Value.Payload.Length;
                _waiting.Remove(node);
            }

            node = next;
        }
    }

    private static LinkedListNode<OutboxEntry>? Find(LinkedList<OutboxEntry> list, Predicate<OutboxEntry> match)
    {
        var node = list.First;
        while (node is not null && !match(node.Value)) node = node.Next;
        return node;
    }
}
