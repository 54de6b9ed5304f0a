namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Durable messages in files: appended at one end, read once in order at the other, released in any order; a
/// file whose messages are all released is deleted. A process that is killed loses nothing that <see cref="TryAppend"/>
/// took. Not thread-safe, but for the files of <see cref="Unsynced"/>.</summary>
internal sealed class OutboxStore : IDisposable
{
    /// <summary>Size in bytes at which the next file begins.</summary>
    public const int SegmentBytes = 1 << 20;

    /// <summary>Time without accesses after the disk failed.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    private readonly IStoreFolder _folder;
    private readonly IStoreFile _cursorFile;
    private readonly TimeProvider _time;
    private readonly Action<StoreFault, Exception> _failed;
    private readonly Action<string, long> _lost;
    private readonly LinkedList<Segment> _segments = [];
    private readonly SortedDictionary<long, (Segment Segment, int Size)> _read = []; // and not released
    private readonly List<IStoreFile> _rolled = [];
    private Segment? _active; // the last one, while it is written to
    private IStoreFile? _activeFile;
    private LinkedListNode<Segment>? _reading; // null: nothing is unread
    private SegmentReader? _reader;
    private long _readAt, _lastRead, _next, _failedAt;
    private StoreCursor _cursor;
    private bool _dirty;

    /// <summary>Reads what an earlier run left; damaged messages are cut off or skipped, and counted.</summary>
    /// <param name="failed">Called with every failure of the disk.</param>
    /// <param name="lost">Called with the number of damaged messages and the reason:
    /// <c>torn</c> (the end of the last file), <c>corrupt</c>, <c>unreadable</c>.</param>
    public OutboxStore(IStoreFolder folder, TimeProvider time, Action<StoreFault, Exception> failed,
        Action<string, long> lost)
    {
        (_folder, _time, _failed, _lost) = (folder, time, failed, lost);
        _cursorFile = folder.Open(StoreCursor.Name);
        _cursor = StoreCursor.Read(_cursorFile);
        (_next, _lastRead, PacketLimit) =
            (Math.Max(1, _cursor.Released), _cursor.Released - 1, _cursor.PacketLimit);
        var found = folder.Names().Select(Segment.FirstOf).OfType<long>().Order().ToList();
        for (var i = 0; i < found.Count; i++) Recover(found[i], i + 1 < found.Count ? found[i + 1] : null);
        _reading = _segments.First;
    }

    /// <summary>Messages that wait to be read.</summary>
    public int Unread { get; private set; }

    public long UnreadBytes { get; private set; }

    /// <summary>Record bytes of the messages that are not released.</summary>
    public long Bytes { get; private set; }

    /// <summary>Bytes of all files.</summary>
    public long DiskBytes => _segments.Sum(s => s.End);

    /// <summary>False after a failed write, until the next that succeeds.</summary>
    public bool Healthy { get; private set; } = true;

    /// <summary>False during the pause after a failure.</summary>
    public bool Ready => Healthy || _time.GetElapsedTime(_failedAt) >= s_pause;

    /// <summary>Sequence of the last message written.</summary>
    public long Last => _next - 1;

    /// <summary>Smallest Maximum Packet Size of a broker; kept for the next run.</summary>
    public int PacketLimit { get; set; }

    /// <summary>Writes a message to the end.</summary>
    /// <param name="read">The caller keeps it: it counts as read. Only while nothing is unread.</param>
    /// <returns>Its sequence; null when the write failed, or the disk is not <see cref="Ready"/>.</returns>
    public long? TryAppend(OutboxEntry entry, bool read)
    {
        if (!Ready) return null;
        var (sequence, record) = (_next, RecordCodec.Write(entry, _next));
        try
        {
            if (_active is null || _active.End >= SegmentBytes) Roll();
            _activeFile!.Write(record, _active!.End);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(e);
            return null;
        }

        Healthy = _dirty = true;
        _next++;
        _active.End += record.Length;
        _active.Live++;
        Bytes += record.Length;
        if (read)
        {
            _read.Add(sequence, (_active, record.Length));
            _lastRead = sequence;
            if (_reading?.Value != _active) MoveTo(_segments.Last);
            _readAt = _active.End;
            if (_reader is not null) _reader.At = _readAt;
        }
        else
        {
            CountUnread(_active, 1, record.Length);
        }

        return sequence;
    }

    /// <summary>The next message, oldest first; null when none is unread.</summary>
    /// <param name="own">True: this run wrote it.</param>
    public OutboxEntry? Read(out bool own)
    {
        own = false;
        while (_reading is { } node)
        {
            if (node.Value.Unread > 0 && TryRead(node.Value) is { } entry)
            {
                own = node.Value.Own;
                return entry;
            }

            if (node.Value.Unread > 0) Abandon(node.Value);
            if (node.Next is null) return null;
            MoveTo(node.Next);
            DeleteIfDone(node.Value);
        }

        return null;
    }

    /// <summary>Removes a message that was read; later runs skip it after <see cref="SaveCursor"/>.</summary>
    public void Release(long sequence)
    {
        if (!_read.Remove(sequence, out var at)) return;
        Bytes -= at.Size;
        at.Segment.Live--;
        DeleteIfDone(at.Segment);
    }

    /// <summary>Saves for the next run what is released. After a failure it repeats more than necessary.</summary>
    public void SaveCursor()
    {
        var cursor = new StoreCursor(_read.Count > 0 ? _read.First().Key : _lastRead + 1, PacketLimit);
        if (cursor != _cursor && Try(() => cursor.Write(_cursorFile))) _cursor = cursor;
    }

    /// <summary>Files with messages that a power cut would lose. The active one is still written to; the caller
    /// disposes of the others.</summary>
    public (IStoreFile? Active, IReadOnlyList<IStoreFile> Rolled) Unsynced()
    {
        var files = (_dirty && _active is { Live: > 0 } ? _activeFile : null, _rolled.ToArray());
        _dirty = false;
        _rolled.Clear();
        return files;
    }

    /// <summary>Ends the active file after a failure, at its last whole message.</summary>
    public void Fail(Exception e)
    {
        Healthy = false;
        _failedAt = _time.GetTimestamp();
        try
        {
            if (_active is not null) _activeFile!.SetLength(_active.End);
        }
        catch (Exception again) when (again is IOException or UnauthorizedAccessException)
        {
            // A part of a message stays behind the end; the next run skips it.
        }

        CloseActive();
        _failed(StoreFaults.Of(e), e);
    }

    public void Dispose()
    {
        SaveCursor();
        CloseActive();
        foreach (var file in _rolled) file.Dispose();
        _reader?.Dispose();
        _cursorFile.Dispose();
        _folder.Dispose();
    }

    private bool Try(Action access)
    {
        try
        {
            access();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _failed(StoreFaults.Of(e), e);
            return false;
        }
    }

    private void Recover(long first, long? following)
    {
        if (Try(() => ReadSegment(first, following))) return;
        // The file stays for an operator, or a run with a better disk.
        _next = Math.Max(_next, first + SegmentBytes); // more than it can hold
        _lost("unreadable", 1);
    }

    private void ReadSegment(long first, long? following)
    {
        var segment = new Segment(first, own: false);
        using var file = _folder.Open(segment.Name);
        using var reader = new SegmentReader(file);
        var (length, next, corrupt) = (file.Length, first, 0L);
        while (reader.Next(length) is { } entry)
        {
            segment.End = reader.At;
            if (entry.Sequence < next) continue;
            // Sequences have no gaps within a file.
            corrupt += Math.Max(0, entry.Sequence - Math.Max(next, _cursor.Released));
            next = entry.Sequence + 1;
            if (entry.Sequence < _cursor.Released) continue;
            segment.Live++;
            segment.Unread++;
            segment.UnreadBytes += reader.Size;
        }

        _next = Math.Max(_next, next);
        if (corrupt > 0) _lost("corrupt", corrupt);
        // A file that a failing disk ended has a rest that is no message: the next file begins with its number.
        var torn = length > segment.End;
        if (torn && following != next) _lost(following is null ? "torn" : "corrupt", 1);
        if (torn && following is null) file.SetLength(segment.End);
        _segments.AddLast(segment);
        Unread += segment.Unread;
        UnreadBytes += segment.UnreadBytes;
        Bytes += segment.UnreadBytes;
        DeleteIfDone(segment);
    }

    private OutboxEntry? TryRead(Segment segment)
    {
        OutboxEntry? found = null;
        Try(() =>
        {
            _reader ??= new(_folder.Open(segment.Name)) { At = _readAt };
            while (found is null && _reader.Next(segment.End) is { } entry)
            {
                _readAt = _reader.At;
                if (entry.Sequence <= _lastRead) continue;
                _lastRead = entry.Sequence;
                _read.Add(entry.Sequence, (segment, _reader.Size));
                CountUnread(segment, -1, -_reader.Size);
                found = entry;
            }
        });
        return found;
    }

    // The disk does not return what it took; later messages must not wait for it.
    private void Abandon(Segment segment)
    {
        _lost("unreadable", segment.Unread);
        Bytes -= segment.UnreadBytes;
        segment.Live -= segment.Unread;
        CountUnread(segment, -segment.Unread, -segment.UnreadBytes);
        _readAt = segment.End;
        CloseReader();
    }

    private void CountUnread(Segment segment, int messages, long bytes)
    {
        segment.Unread += messages;
        segment.UnreadBytes += bytes;
        Unread += messages;
        UnreadBytes += bytes;
    }

    private void Roll()
    {
        var segment = new Segment(_next, own: true);
        var file = _folder.Open(segment.Name);
        var before = _active;
        if (_activeFile is not null) _rolled.Add(_activeFile);
        (_active, _activeFile) = (segment, file);
        var node = _segments.AddLast(segment);
        if (_reading is null) MoveTo(node);
        if (before is not null) DeleteIfDone(before);
    }

    private void CloseActive()
    {
        var before = _active;
        _activeFile?.Dispose();
        (_active, _activeFile) = (null, null);
        if (before is not null) DeleteIfDone(before);
    }

    private void MoveTo(LinkedListNode<Segment>? node)
    {
        (_reading, _readAt) = (node, 0);
        CloseReader();
    }

    private void CloseReader()
    {
        _reader?.Dispose();
        _reader = null;
    }

    private void DeleteIfDone(Segment segment)
    {
        if (segment.Live > 0 || segment == _active || _segments.Find(segment) is not { } node) return;
        if (_reading == node) MoveTo(node.Next);
        _segments.Remove(node);
        // After a failure the next run tries again: the cursor is beyond the file.
        Try(() => _folder.Delete(segment.Name));
    }
}
