namespace Dvis.Streaming.Sinks.Mqtt;

/// <summary>One QoS 1 message on its way.</summary>
internal sealed class OutboxEntry(long token, MqttTopic topic, byte[] payload, IReadOnlyList<KeyValuePair<string, string>>? userProperties, long enqueued)
{
    public long Token { get; } = token;
    public MqttTopic Topic { get; } = topic;
    public byte[] Payload { get; } = payload;
    public IReadOnlyList<KeyValuePair<string, string>>? UserProperties { get; } = userProperties;

    /// <summary><see cref="TimeProvider.GetTimestamp"/> of its making: from there its expiry runs.</summary>
    public long Enqueued { get; } = enqueued;

    /// <summary>Timestamp of the last hand-over; 0 before the first.</summary>
    public long Sent { get; set; }

    /// <summary>It missed the connection it was made for, or was made without one.</summary>
    public bool Late { get; set; }

    /// <summary>How many QoS 0 messages of each kind stood before it on the connection: its acknowledgement proves them read.</summary>
    public (long Tracks, long Masks) Proves { get; set; }
}

/// <summary>
/// QoS 1 messages in order: handed over and not acknowledged, then waiting. Retained messages are state: only the last of a topic
/// counts, they are kept to be repeated at every connect, and never wait without a connection. Not thread-safe.
/// </summary>
internal sealed class Outbox(int maxMessages, long maxBytes)
{
    private readonly List<OutboxEntry> _inFlight = [];
    private readonly LinkedList<OutboxEntry> _waiting = [];
    private readonly OrderedDictionary<MqttTopic, OutboxEntry> _announced = [];
    private bool _connected;

    /// <summary>Messages not yet acknowledged.</summary>
    public int Count => _inFlight.Count + _waiting.Count;

    public long Bytes { get; private set; }

    public int InFlight => _inFlight.Count;

    /// <summary>Timestamp at which the longest unacknowledged message was handed over, or null.</summary>
    public long? OldestSent => _inFlight.Count > 0 ? _inFlight[0].Sent : null;

    /// <summary>True when a retained message of this topic stands, or is being cleared.</summary>
    public bool Announces(string topic)
    {
        foreach (var announced in _announced.Keys)
            if (announced.Name == topic) return true;
        return false;
    }

    /// <summary>Adds a message and returns those that were dropped for it, oldest first.</summary>
    public IReadOnlyList<OutboxEntry> Add(OutboxEntry entry)
    {
        if (entry.Topic.Retain)
        {
            _announced[entry.Topic] = entry;
            RemoveWaiting(e => e.Topic == entry.Topic);
            if (!_connected) return [];
        }

        entry.Late = !_connected;
        Append(entry);
        return Trim();
    }

    /// <summary>Everything retained first, as it stands now, then what was not acknowledged, in order.</summary>
    public void Connected()
    {
        _connected = true;
        for (var i = _announced.Count - 1; i >= 0; i--) Prepend(_announced.GetAt(i).Value);
    }

    /// <summary>What was in flight waits again, before the rest.</summary>
    public void Disconnected()
    {
        _connected = false;
        for (var i = _inFlight.Count - 1; i >= 0; i--)
        {
            Bytes -= _inFlight[i].Payload.Length;
            if (!_inFlight[i].Topic.Retain) Prepend(_inFlight[i]);
        }

        _inFlight.Clear();
        RemoveWaiting(e => e.Topic.Retain);
        foreach (var entry in _waiting) entry.Late = true;
    }

    /// <summary>The next message to hand over, now in flight; null when none waits.</summary>
    public OutboxEntry? Take()
    {
        if (_waiting.First?.Value is not { } entry) return null;
        _waiting.RemoveFirst();
        _inFlight.Add(entry);
        return entry;
    }

    /// <summary>Puts back what <see cref="Take"/> gave last and could not be handed over.</summary>
    public void PutBack(OutboxEntry entry)
    {
        _inFlight.Remove(entry);
        _waiting.AddFirst(entry);
    }

    /// <summary>Done, one way or the other. Null when <paramref name="token"/> is not in flight.</summary>
    public OutboxEntry? Complete(long token)
    {
        var i = _inFlight.FindIndex(e => e.Token == token);
        if (i < 0) return null;
        var entry = _inFlight[i];
        _inFlight.RemoveAt(i);
        Bytes -= entry.Payload.Length;
        // The broker has deleted what was retained there: nothing is left to repeat.
        if (entry is { Topic.Retain: true, Payload.Length: 0 } && _announced.GetValueOrDefault(entry.Topic) == entry) _announced.Remove(entry.Topic);
        return entry;
    }

    private List<OutboxEntry> Trim()
    {
        List<OutboxEntry>? dropped = null;
        for (var node = _waiting.First; node is not null && (Count > maxMessages || Bytes > maxBytes);)
        {
            var next = node.Next;
            // State is bounded by its topics, and the last value of a topic must arrive.
            if (!node.Value.Topic.Retain)
            {
                (dropped ??= []).Add(node.Value);
                Bytes -= node.Value.Payload.Length;
                _waiting.Remove(node);
            }

            node = next;
        }

        return dropped ?? [];
    }

    private void Append(OutboxEntry entry)
    {
        _waiting.AddLast(entry);
        Bytes += entry.Payload.Length;
    }

    private void Prepend(OutboxEntry entry)
    {
        _waiting.AddFirst(entry);
        Bytes += entry.Payload.Length;
    }

    private void RemoveWaiting(Predicate<OutboxEntry> match)
    {
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (match(node.Value))
            {
                Bytes -= node.Value.Payload.Length;
                _waiting.Remove(node);
            }

            node = next;
        }
    }
}
