namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>
/// Messages that the broker has acknowledged and may still lose: it answers before it saves. Kept for a while, to be
/// sent again when the connection breaks. Bounded: with more of them the oldest are trusted sooner. Not thread-safe.
/// </summary>
internal sealed class KeptMessages(TimeSpan keep, TimeProvider time)
{
    private const int MaxMessages = 4096;
    private const long MaxBytes = 16 << 20;

    private readonly Queue<(OutboxEntry Entry, long Since)> _entries = [];
    private long _bytes;

    public void Add(OutboxEntry entry)
    {
        _entries.Enqueue((entry, time.GetTimestamp()));
        _bytes += entry.Payload.Length;
    }

    /// <summary>The oldest if it has been kept long enough, else null.</summary>
    public OutboxEntry? TakeOld()
        => _entries.TryPeek(out var oldest) && (_entries.Count > MaxMessages || _bytes > MaxBytes
            || time.GetElapsedTime(oldest.Since) >= keep) ? Take() : null;

    /// <summary>The oldest, or null.</summary>
    public OutboxEntry? Take()
    {
        if (!_entries.TryDequeue(out var oldest)) return null;
        _bytes -= oldest.Entry.Payload.Length;
        return oldest.Entry;
    }

    /// <summary>All, oldest first.</summary>
    public List<OutboxEntry> TakeAll()
    {
        var all = _entries.Select(e => e.Entry).ToList();
        _entries.Clear();
        _bytes = 0;
        return all;
    }
}
