using System.Buffers;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Reads the records of one file in order and steps over what is damaged.</summary>
internal sealed class SegmentReader(IStoreFile file) : IDisposable
{
    // What looks like a record and is none; a file with more of that is no longer looked through.
    private const int MaxSuspects = 1000;
    private const int Chunk = 64 << 10;
    private int _suspects;

    /// <summary>Where the next record is looked for.</summary>
    public long At { get; set; }

    /// <summary>Bytes of the record that <see cref="Next"/> gave.</summary>
    public int Size { get; private set; }

    /// <summary>The next whole record before <paramref name="end"/>, or null; <see cref="At"/> is behind it.</summary>
    public StoredMessage? Next(long end)
    {
        Span<byte> head = stackalloc byte[RecordCodec.Head];
        while (end - At > RecordCodec.Head)
        {
            if (file.Read(head, At) < head.Length) break;
            if (RecordCodec.Announced(head) is > 0 and var size && size <= end - At && Read(size) is { } message)
            {
                At += Size = size;
                return message;
            }

            if (++_suspects > MaxSuspects) break;
            At = Seek(At + 1, end);
        }

        return null;
    }

    public void Dispose() => file.Dispose();

    private StoredMessage? Read(int size)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            return file.Read(buffer.AsSpan(0, size), At) == size ? RecordCodec.Read(buffer.AsSpan(0, size)) : null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>The first place from here on that may be a record's beginning.</summary>
    private long Seek(long from, long end)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            while (from < end)
            {
                var read = file.Read(buffer.AsSpan(0, (int)Math.Min(Chunk, end - from)), from);
                if (read == 0) return end;
                var found = buffer.AsSpan(0, read).IndexOf(RecordCodec.Marker);
                if (found >= 0) return from + found;
                // A marker may lie across the border of two chunks.
                from += read < RecordCodec.Marker.Length ? read : read - RecordCodec.Marker.Length + 1;
                if (end - from < RecordCodec.Marker.Length) return end;
            }

            return end;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
