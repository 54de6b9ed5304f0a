using System.Buffers;
using System.Globalization;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>
/// Durable messages in files: appended at one end, read once in order at the other, released in any order; a file whose
/// messages are all released is deleted. A process that is killed loses nothing that <see cref="TryAppend"/> took. Not
/// thread-safe, but for the files of <see cref="Unsynced"/>.
/// </summary>
internal sealed class OutboxStore : IDisposable
{
    /// <summary>A file that has reached this size is followed by another.</summary>
    public const int SegmentBytes = 1 << 20;

    /// <summary>A disk that failed is left alone for so long.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly IStoreFolder _folder;
    private readonly IStoreFile _cursorFile;
    private readonly TimeProvider _time;
    private readonly Action<StoreFault, Exception> _failed;
    private readonly Action<string, long> _lost;
    private readonly LinkedList<Segment> _segments = [];
    private readonly SortedDictionary<long, (Segment Segment, int Size)> _read = []; // and not released
    private readonly List<IStoreFile> _rolled = [];
    private readonly long _released; // by former runs
    private Segment? _active; // the last one, while it is written to
    private IStoreFile? _activeFile;
    private LinkedListNode<Segment>? _reading; // null: nothing is unread
    private SegmentReader? _reader;
    private long _readAt, _lastRead, _next, _failedAt;
    private StoreCursor _cursor;
    private bool _dirty;

    /// <summary>Reads what a former run left; what of it is damaged is cut off or stepped over, and counted.</summary>
    /// <param name="failed">Told of every failure of the disk.</param>
    /// <param name="lost">Told how many messages are damaged, and why:
    /// <c>torn</c> (the end of the last file), <c>corrupt</c>, <c>unreadable</c>.</param>
    public OutboxStore(IStoreFolder folder, TimeProvider time, Action<StoreFault, Exception> failed,
        Action<string, long> lost)
    {
        (_folder, _time, _failed, _lost) = (folder, time, failed, lost);
        _cursorFile = folder.Open(StoreCursor.Name);
        _cursor = StoreCursor.Read(_cursorFile);
        (_released, _next, _lastRead, PacketLimit) =
            (_cursor.Released, Math.Max(1, _cursor.Released), _cursor.Released - 1, _cursor.PacketLimit);
        var found = folder.Names().Select(First).OfType<long>().Order().ToList();
        for (var i = 0; i < found.Count; i++) Recover(found[i], i + 1 < found.Count ? found[i + 1] : null);
        _reading = _segments.First;
    }

    /// <summary>Messages that wait to be read.</summary>
    public int Unread { get; private set; }

    public long UnreadBytes { get; private set; }

    /// <summary>Of messages not released, with their heads.</summary>
    public long Bytes { get; private set; }

    /// <summary>Of all files.</summary>
    public long DiskBytes => _segments.Sum(s => s.End);

    /// <summary>False while the disk takes nothing.</summary>
    public bool Healthy { get; private set; } = true;

    /// <summary>False while a disk that failed is left alone.</summary>
    public bool Ready => Healthy || _time.GetElapsedTime(_failedAt) >= Pause;

    /// <summary>The last message written.</summary>
    public long Last => _next - 1;

    /// <summary>Smallest Maximum Packet Size that a broker has named; kept for the next run.</summary>
    public int PacketLimit { get; set; }

    /// <summary>Writes a message to the end.</summary>
    /// <param name="message">Its sequence is given here.</param>
    /// <param name="read">The caller keeps it: it counts as read. Only while nothing is unread.</param>
    /// <returns>Its sequence; null when the disk does not take it, or was asked too soon after it failed.</returns>
    public long? TryAppend(StoredMessage message, bool read)
    {
        if (!Ready) return null;
        message = message with { Sequence = _next };
        var size = RecordCodec.Size(message);
        var buffer = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            RecordCodec.Write(message, buffer.AsSpan(0, size));
            if (_active is null || _active.End >= SegmentBytes) Roll();
            _activeFile!.Write(buffer.AsSpan(0, size), _active!.End);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(e);
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        Healthy = _dirty = true;
        _next++;
        _active.End += size;
        _active.Live++;
        Bytes += size;
        if (read)
        {
            _read.Add(message.Sequence, (_active, size));
            _lastRead = message.Sequence;
            if (_reading?.Value != _active) MoveTo(_segments.Last);
            _readAt = _active.End;
            if (_reader is not null) _reader.At = _readAt;
        }
        else
        {
            CountUnread(_active, 1, size);
        }

        return message.Sequence;
    }

    /// <summary>The next message, oldest first; null when none is unread.</summary>
    /// <param name="own">True: this run wrote it.</param>
    public StoredMessage? Read(out bool own)
    {
        own = false;
        while (_reading is { } node)
        {
            if (node.Value.Unread > 0 && TryRead(node.Value) is { } message)
            {
                own = node.Value.Own;
                return message;
            }

            if (node.Value.Unread > 0) Abandon(node.Value);
            if (node.Next is null) return null;
            MoveTo(node.Next);
            DeleteIfDone(node.Value);
        }

        return null;
    }

    /// <summary>Done with a message that was read: no run sees it again,
    /// once <see cref="SaveCursor"/> has been called.</summary>
    public void Release(long sequence)
    {
        if (!_read.Remove(sequence, out var at)) return;
        Bytes -= at.Size;
        at.Segment.Live--;
        DeleteIfDone(at.Segment);
    }

    /// <summary>Remembers for the next run what is released.</summary>
    public void SaveCursor()
    {
        var cursor = new StoreCursor(_read.Count > 0 ? _read.First().Key : _lastRead + 1, PacketLimit);
        if (cursor == _cursor) return;
        try
        {
            cursor.Write(_cursorFile);
            _cursor = cursor;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then the next run repeats more than it must.
            _failed(StoreFaults.Of(e), e);
        }
    }

    /// <summary>Files with messages that a power cut would lose. The last is still written to;
    /// the others are the caller's to dispose of.</summary>
    public (IStoreFile? Active, IReadOnlyList<IStoreFile> Rolled) Unsynced()
    {
        var files = (_dirty && _active is { Live: > 0 } ? _activeFile : null, _rolled.ToArray());
        _dirty = false;
        _rolled.Clear();
        return files;
    }

    /// <summary>The disk failed. What is written of the present file stays; the next try begins another.</summary>
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
            // A part of a message stays behind the end; the next run steps over it.
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

    private static long? First(string name)
        => name.EndsWith(Segment.Extension, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(..^Segment.Extension.Length), NumberStyles.None, CultureInfo.InvariantCulture,
                out var first) ? first : null;

    private void Recover(long first, long? following)
    {
        try
        {
            using var file = _folder.Open(new Segment(first, own: false).Name);
            var (segment, next, corrupt, torn) = SegmentRecovery.Read(file, first, _released);
            _next = Math.Max(_next, next);
            if (corrupt > 0) _lost("corrupt", corrupt);
            // A file that a failing disk ended has a rest that is no message: the next file begins with that number.
            if (torn > 0 && following != next) _lost(following is null ? "torn" : "corrupt", 1);
            if (torn > 0 && following is null) file.SetLength(segment.End);
            _segments.AddLast(segment);
            Unread += segment.Unread;
            UnreadBytes += segment.UnreadBytes;
            Bytes += segment.UnreadBytes;
            DeleteIfDone(segment);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays for a person, or a run with a better disk.
            _next = Math.Max(_next, first + SegmentBytes); // more than it can hold
            _lost("unreadable", 1);
            _failed(StoreFaults.Of(e), e);
        }
    }

    private StoredMessage? TryRead(Segment segment)
    {
        try
        {
            _reader ??= new(_folder.Open(segment.Name)) { At = _readAt };
            while (_reader.Next(segment.End) is { } message)
            {
                _readAt = _reader.At;
                if (message.Sequence <= _lastRead) continue;
                _lastRead = message.Sequence;
                _read.Add(message.Sequence, (segment, _reader.Size));
                CountUnread(segment, -1, -_reader.Size);
                return message;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _failed(StoreFaults.Of(e), e);
        }

        return null;
    }

    // The disk does not give back what it took; what comes after is not held up.
    private void Abandon(Segment segment)
    {
        _lost("unreadable", segment.Unread);
        Bytes -= segment.UnreadBytes;
        segment.Live -= segment.Unread;
        CountUnread(segment, -segment.Unread, -segment.UnreadBytes);
        _readAt = segment.End;
        MoveReader();
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
        MoveReader();
    }

    private void MoveReader()
    {
        _reader?.Dispose();
        _reader = null;
    }

    private void DeleteIfDone(Segment segment)
    {
        if (segment.Live > 0 || segment == _active || _segments.Find(segment) is not { } node) return;
        if (_reading == node) MoveTo(node.Next);
        _segments.Remove(node);
        try
        {
            _folder.Delete(segment.Name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The cursor is beyond it: the next run tries again.
            _failed(StoreFaults.Of(e), e);
        }
    }
}
