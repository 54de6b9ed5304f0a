using System.Collections;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>Messages in order. Not thread-safe.</summary>
internal sealed class EntryList : IEnumerable<OutboxEntry>
{
    private readonly LinkedList<OutboxEntry> _entries = [];

    public int Count => _entries.Count;

    /// <summary>Bytes of the payloads.</summary>
    public long Bytes { get; private set; }

    public OutboxEntry? First => _entries.First?.Value;

    public void AddFirst(OutboxEntry entry)
    {
        _entries.AddFirst(entry);
        Bytes += entry.Payload.Length;
    }

    public void AddLast(OutboxEntry entry)
    {
        _entries.AddLast(entry);
        Bytes += entry.Payload.Length;
    }

    /// <summary>Adds the messages before the others, in their order.</summary>
    public void AddFirst(IReadOnlyList<OutboxEntry> entries)
    {
        for (var i = entries.Count - 1; i >= 0; i--) AddFirst(entries[i]);
    }

    /// <summary>Adds a message by its token.</summary>
    public void Insert(OutboxEntry entry)
    {
        var node = _entries.Last;
        while (node is not null && node.Value.Token > entry.Token) node = node.Previous;
        if (node is null) _entries.AddFirst(entry);
        else _entries.AddAfter(node, entry);
        Bytes += entry.Payload.Length;
    }

    public bool Remove(OutboxEntry entry)
    {
        if (!_entries.Remove(entry)) return false;
        Bytes -= entry.Payload.Length;
        return true;
    }

    public OutboxEntry? TakeFirst()
    {
        if (First is not { } entry) return null;
        _entries.RemoveFirst();
        Bytes -= entry.Payload.Length;
        return entry;
    }

    public List<OutboxEntry> TakeAll()
    {
        var all = _entries.ToList();
        _entries.Clear();
        Bytes = 0;
        return all;
    }

    public IEnumerator<OutboxEntry> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
