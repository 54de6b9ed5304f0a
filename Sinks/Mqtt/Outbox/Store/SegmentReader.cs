namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Reader of the records of one file, in order; damaged ones are skipped.</summary>
internal sealed class SegmentReader(IStoreFile file) : IDisposable
{
    // Limit of places that look like a record and are none; the rest of such a file is not searched.
    private const int MaxSuspects = 1000;
    private const int Chunk = 64 << 10;
    private int _suspects;

    /// <summary>Offset from which the next record is searched.</summary>
    public long At { get; set; }

    /// <summary>Bytes of the last record.</summary>
    public int Size { get; private set; }

    /// <summary>The next whole record before <paramref name="end"/>, or null; <see cref="At"/> is behind it.</summary>
    public OutboxEntry? Next(long end)
    {
        Span<byte> head = stackalloc byte[RecordCodec.Head];
        while (end - At > RecordCodec.Head)
        {
            if (file.Read(head, At) < head.Length) break;
            if (RecordCodec.Announced(head) is > 0 and var size && size <= end - At && Read(size) is { } entry)
            {
                At += Size = size;
                return entry;
            }

            if (++_suspects > MaxSuspects) break;
            At = Seek(At + 1, end);
        }

        return null;
    }

    public void Dispose() => file.Dispose();

    private OutboxEntry? Read(int size)
    {
        var record = new byte[size];
        return file.Read(record, At) == size ? RecordCodec.Read(record) : null;
    }

    /// <summary>The first offset from here that may be the beginning of a record.</summary>
    private long Seek(long from, long end)
    {
        var chunk = new byte[Math.Min(Chunk, end - from)];
        while (end - from >= RecordCodec.Marker.Length)
        {
            var read = file.Read(chunk.AsSpan(0, (int)Math.Min(chunk.Length, end - from)), from);
            if (read < RecordCodec.Marker.Length) break;
            var found = chunk.AsSpan(0, read).IndexOf(RecordCodec.Marker);
            if (found >= 0) return from + found;
            // A marker may lie across the border of two chunks.
            from += read - RecordCodec.Marker.Length + 1;
        }

        return end;
    }
}
