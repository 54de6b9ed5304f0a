namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>What a former run left in one file.</summary>
/// <param name="Segment">With its records that are to be read counted, and its end behind the last whole one.</param>
/// <param name="Next">The sequence after its last.</param>
/// <param name="Corrupt">Records that must have been there and are damaged.</param>
/// <param name="Torn">Bytes after the last whole record:
/// what was being written when the process or the machine stopped.</param>
internal sealed record SegmentRecovery(Segment Segment, long Next, long Corrupt, long Torn)
{
    /// <param name="released">Messages below this sequence are done.</param>
    public static SegmentRecovery Read(IStoreFile file, long first, long released)
    {
        var segment = new Segment(first, own: false);
        var reader = new SegmentReader(file); // the file stays the caller's
        var (length, next, corrupt) = (file.Length, first, 0L);
        while (reader.Next(length) is { } message)
        {
            segment.End = reader.At;
            if (message.Sequence < next) continue;
            // Sequences have no gaps within a file.
            corrupt += Math.Max(0, message.Sequence - Math.Max(next, released));
            next = message.Sequence + 1;
            if (message.Sequence < released) continue;
            segment.Live++;
            segment.Unread++;
            segment.UnreadBytes += reader.Size;
        }

        return new(segment, next, corrupt, length - segment.End);
    }
}
