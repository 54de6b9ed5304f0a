using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>Messages of topics that the broker refuses, by its access list or for a quota. After a growing pause the
/// oldest of a topic is tried again; when it is accepted the others follow, so that none overtakes another. Not
/// thread-safe.</summary>
internal sealed class HeldTopics(BackoffOptions backoff, TimeProvider time)
{
    private readonly Dictionary<string, Topic> _topics = [];

    public int Count => _topics.Values.Sum(t => t.Entries.Count);

    public long Bytes => _topics.Values.Sum(t => t.Entries.Bytes);

    /// <summary>The oldest message, which stays; null when there is none.</summary>
    public OutboxEntry? Oldest =>
        _topics.Values.Select(t => t.Entries.First).OfType<OutboxEntry>().MinBy(e => e.Token);

    /// <summary>True while the message must wait behind others of its topic.</summary>
    public bool Holds(OutboxEntry entry) =>
        _topics.TryGetValue(entry.Topic.Name, out var held) && held.Tried != entry.Token;

    /// <summary>Holds a refused message; its topic rests, for longer than the last time.</summary>
    public void Refuse(OutboxEntry entry)
    {
        if (!_topics.TryGetValue(entry.Topic.Name, out var held))
            _topics[entry.Topic.Name] = held = new(new(backoff, Random.Shared));
        // Several of a topic are in flight and refused together: that is one refusal.
        if (held.IsDue(time)) held.Rest(time);
        Add(entry);
    }

    /// <summary>Holds another message of a topic that rests.</summary>
    public void Add(OutboxEntry entry) => _topics[entry.Topic.Name].Entries.Insert(entry);

    /// <summary>Ends the rest of a topic that was accepted.</summary>
    /// <returns>Its messages, oldest first.</returns>
    public IReadOnlyList<OutboxEntry> Accept(string topic) =>
        _topics.Remove(topic, out var held) ? held.Entries.TakeAll() : [];

    /// <summary>Takes the oldest message of each topic whose pause is over, to try it again.</summary>
    public List<OutboxEntry> TakeDue()
    {
        var due = new List<OutboxEntry>();
        foreach (var held in _topics.Values.Where(t => t.Entries.Count > 0 && t.IsDue(time)))
        {
            var entry = held.Entries.TakeFirst()!;
            held.Tried = entry.Token;
            held.Rest(time);
            due.Add(entry);
        }

        return due;
    }

    /// <summary>Takes all messages for another connection, which may accept them.</summary>
    public List<OutboxEntry> TakeAll()
    {
        var all = _topics.Values.SelectMany(held => held.Entries).ToList();
        _topics.Clear();
        return all;
    }

    public bool Remove(OutboxEntry entry) =>
        _topics.TryGetValue(entry.Topic.Name, out var held) && held.Entries.Remove(entry);

    private sealed class Topic(Backoff pauses)
    {
        private (long Since, TimeSpan Pause)? _rest;

        public EntryList Entries { get; } = [];

        /// <summary>Token of the last message that was tried again.</summary>
        public long Tried { get; set; }

        public bool IsDue(TimeProvider time) => _rest is not { } rest || time.GetElapsedTime(rest.Since) >= rest.Pause;

        public void Rest(TimeProvider time) => _rest = (time.GetTimestamp(), pauses.Next());
    }
}
