using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>
/// Blocks of native memory (64-byte aligned), kept by size when they come back and given out again. What is free is
/// bounded: beyond the limit the size that was not asked for longest goes first. Thread-safe.
/// </summary>
/// <param name="keepBytes">Free memory that may be kept, in bytes.</param>
/// <typeparam name="TNote">What the last owner of a block leaves for the next.</typeparam>
internal sealed class NativeBlocks<TNote>(long keepBytes) : IDisposable
    where TNote : class
{
    private const int MaxSizes = 256; // remembered although nothing of that size is free
    private readonly Lock _gate = new();
    private readonly Dictionary<long, Shelf> _shelves = []; // under _gate, like _free, _clock and _disposed
    private long _outstanding, _allocated, _allocations, _free, _clock;
    private bool _disposed;

    /// <summary>Blocks given out and not returned.</summary>
    public long Outstanding => Interlocked.Read(ref _outstanding);

    /// <summary>Bytes held, in use or free.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocated);

    /// <summary>Allocations since the start.</summary>
    public long Allocations => Interlocked.Read(ref _allocations);

    /// <summary>A block of this size, content undefined, and what its last owner left.</summary>
    public unsafe (nint Data, TNote? Note) Rent(long bytes)
    {
        Interlocked.Increment(ref _outstanding);
        lock (_gate)
        {
            var shelf = ShelfFor(bytes);
            if (shelf.Free.TryPop(out var block))
            {
                _free -= bytes;
                return block;
            }
        }

        var data = (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);
        Interlocked.Add(ref _allocated, bytes);
        Interlocked.Increment(ref _allocations);
        return (data, null);
    }

    public void Return(nint data, long bytes, TNote? note = null)
    {
        Interlocked.Decrement(ref _outstanding);
        lock (_gate)
        {
            if (!_disposed && bytes <= keepBytes)
            {
                ShelfFor(bytes).Free.Push((data, note));
                _free += bytes;
                while (_free > keepBytes) ReleaseOldest();
                return;
            }
        }

        Release(data, bytes);
    }

    /// <summary>Frees what is free; a block still out is freed when it is returned.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            while (_free > 0) ReleaseOldest();
        }
    }

    private Shelf ShelfFor(long bytes)
    {
        if (!_shelves.TryGetValue(bytes, out var shelf))
        {
            if (_shelves.Count >= MaxSizes) DropEmptyShelves();
            _shelves[bytes] = shelf = new Shelf();
        }

        shelf.LastUse = ++_clock;
        return shelf;
    }

    private void DropEmptyShelves()
    {
        foreach (var (bytes, shelf) in _shelves)
            if (shelf.Free.Count == 0) _shelves.Remove(bytes);
    }

    private void ReleaseOldest()
    {
        var (bytes, shelf) = _shelves.Where(s => s.Value.Free.Count > 0).MinBy(s => s.Value.LastUse);
        Release(shelf.Free.Pop().Data, bytes);
        _free -= bytes;
    }

    private unsafe void Release(nint data, long bytes)
    {
        NativeMemory.AlignedFree((void*)data);
        Interlocked.Add(ref _allocated, -bytes);
    }

    private sealed class Shelf
    {
        public Stack<(nint Data, TNote? Note)> Free { get; } = [];

        public long LastUse { get; set; }
    }
}
