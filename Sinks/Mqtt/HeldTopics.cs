namespace Dvis.Streaming.Sinks.Mqtt;

/// <summary>
/// Topics that the broker refuses, by its access list or for a quota, and what waits for it to change its mind: after a pause that doubles
/// they are tried again. Not thread-safe.
/// </summary>
internal sealed class HeldTopics(MqttBackoffOptions backoff, TimeProvider time)
{
    private readonly Dictionary<string, Topic> _topics = [];

    public int Count { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>True while the topic is not to be tried.</summary>
    public bool Holds(string topic) => _topics.TryGetValue(topic, out var held) && !held.Due(time);

    /// <summary>The broker refused this one: the topic rests from now on, for longer than the last time.</summary>
    public void Refuse(OutboxEntry entry)
    {
        if (!_topics.TryGetValue(entry.Topic.Name, out var held)) _topics[entry.Topic.Name] = held = new(new(backoff));
        // Several of a topic are in flight and refused together: that is one refusal.
        if (held.Due(time)) held.Rest(time);
        Add(entry);
    }

    /// <summary>One more of a topic that rests, in its place by age.</summary>
    public void Add(OutboxEntry entry)
    {
        var entries = _topics[entry.Topic.Name].Entries;
        var node = entries.Last;
        while (node is not null && node.Value.Token > entry.Token) node = node.Previous;
        if (node is null) entries.AddFirst(entry);
        else entries.AddAfter(node, entry);
        Count++;
        Bytes += entry.Payload.Length;
    }

    /// <summary>The broker takes the topic.</summary>
    public void Accept(string topic)
    {
        if (_topics.Count > 0 && _topics.TryGetValue(topic, out var held) && held.Entries.Count == 0) _topics.Remove(topic);
    }

    /// <summary>What is to be tried again now, oldest first.</summary>
    public List<OutboxEntry> TakeDue() => Take(held => held.Due(time));

    /// <summary>Everything, oldest first: another connection may be treated better.</summary>
    public List<OutboxEntry> TakeAll()
    {
        var all = Take(_ => true);
        _topics.Clear();
        return all;
    }

    /// <summary>The oldest of all, or null; it stays.</summary>
    public OutboxEntry? Oldest => _topics.Values.Select(t => t.Entries.First?.Value).OfType<OutboxEntry>().MinBy(e => e.Token);

    public void Remove(OutboxEntry entry)
    {
        if (!_topics[entry.Topic.Name].Entries.Remove(entry)) return;
        Count--;
        Bytes -= entry.Payload.Length;
    }

    private List<OutboxEntry> Take(Predicate<Topic> match)
    {
        if (Count == 0) return [];
        var taken = new List<OutboxEntry>();
        foreach (var held in _topics.Values.Where(t => match(t)))
        {
            taken.AddRange(held.Entries);
            held.Entries.Clear();
        }

        Count -= taken.Count;
        foreach (var entry in taken) Bytes -= entry.Payload.Length;
        taken.Sort((a, b) => a.Token.CompareTo(b.Token));
        return taken;
    }

    private sealed class Topic(Backoff pauses)
    {
        private (long Since, TimeSpan Pause)? _rest;

        public LinkedList<OutboxEntry> Entries { get; } = [];

        public bool Due(TimeProvider time) => _rest is not { } rest || time.GetElapsedTime(rest.Since) >= rest.Pause;

        public void Rest(TimeProvider time) => _rest = (time.GetTimestamp(), pauses.Next());
    }
}
