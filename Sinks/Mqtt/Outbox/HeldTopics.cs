using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>
/// Topics that the broker refuses, by its access list or for a quota, and what waits for it to change its mind: after a
/// pause that doubles the oldest message of a topic is tried again, and the others follow when it is taken, so that
/// none overtakes another. Not thread-safe.
/// </summary>
internal sealed class HeldTopics(BackoffOptions backoff, TimeProvider time)
{
    private readonly Dictionary<string, Topic> _topics = [];

    public int Count { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>True while the message has to wait behind others of its topic.</summary>
    public bool Holds(OutboxEntry entry) =>
        _topics.TryGetValue(entry.Topic.Name, out var held) && held.Tried != entry.Token;

    /// <summary>The broker refused this one: the topic rests from now on, for longer than the last time.</summary>
    public void Refuse(OutboxEntry entry)
    {
        if (!_topics.TryGetValue(entry.Topic.Name, out var held))
            _topics[entry.Topic.Name] = held = new(new(backoff, Random.Shared));
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

    /// <summary>The broker takes the topic: what waited, oldest first.</summary>
    public IReadOnlyList<OutboxEntry> Accept(string topic) =>
        _topics.Count > 0 && _topics.Remove(topic, out var held) ? Leave(held.Entries) : [];

    /// <summary>The oldest of each topic whose pause is over: to be tried again.</summary>
    public List<OutboxEntry> TakeDue()
    {
        var due = new List<OutboxEntry>();
        if (Count == 0) return due;
        foreach (var held in _topics.Values.Where(t => t.Entries.Count > 0 && t.Due(time)))
        {
            var entry = held.Entries.First!.Value;
            Remove(entry);
            held.Try(entry, time);
            due.Add(entry);
        }

        return due;
    }

    /// <summary>Everything, oldest first: another connection may be treated better.</summary>
    public List<OutboxEntry> TakeAll()
    {
        var all = _topics.Values.SelectMany(held => Leave(held.Entries)).OrderBy(e => e.Token).ToList();
        _topics.Clear();
        return all;
    }

    /// <summary>The oldest of all, or null; it stays.</summary>
    public OutboxEntry? Oldest =>
        _topics.Values.Select(t => t.Entries.First?.Value).OfType<OutboxEntry>().MinBy(e => e.Token);

    public void Remove(OutboxEntry entry)
    {
        if (!_topics[entry.Topic.Name].Entries.Remove(entry)) return;
        Count--;
        Bytes -= entry.Payload.Length;
    }

    // They are waiting here no longer.
    private IReadOnlyList<OutboxEntry> Leave(LinkedList<OutboxEntry> entries)
    {
        Count -= entries.Count;
        Bytes -= entries.Sum(e => (long)e.Payload.Length);
        return [.. entries];
    }

    private sealed class Topic(Backoff pauses)
    {
        private (long Since, TimeSpan Pause)? _rest;

        public LinkedList<OutboxEntry> Entries { get; } = [];

        /// <summary>Token of the message that was tried last.</summary>
        public long Tried { get; private set; }

        public bool Due(TimeProvider time) => _rest is not { } rest || time.GetElapsedTime(rest.Since) >= rest.Pause;

        public void Try(OutboxEntry entry, TimeProvider time)
        {
            Tried = entry.Token;
            Rest(time);
        }

        public void Rest(TimeProvider time) => _rest = (time.GetTimestamp(), pauses.Next());
    }
}
