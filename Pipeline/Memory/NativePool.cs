using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>
/// Pool of blocks of native memory (64-byte aligned), kept by size for reuse. <see cref="Outstanding"/> is 0 after a
/// clean stop when nothing leaked. Free memory is bounded: beyond the limit the size that was not asked for longest is
/// freed first. Thread-safe.
/// </summary>
/// <param name="keepBytes">Free memory that may be kept, in bytes.</param>
public abstract class NativePool(long keepBytes) : IDisposable
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

    /// <summary>Native allocations since the start; flat in steady state.</summary>
    public long Allocations => Interlocked.Read(ref _allocations);

    /// <summary>Frees what is free; a block still out is freed when it is returned.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            while (_free > 0) ReleaseOldest();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>A block of this size, content undefined, with the shape of its last owner.</summary>
    private protected unsafe (nint Data, long[]? Shape) RentBlock(long bytes)
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

    internal void Return(nint data, long bytes, long[]? shape = null)
    {
        Interlocked.Decrement(ref _outstanding);
        lock (_gate)
        {
            if (!_disposed && bytes <= keepBytes)
            {
                ShelfFor(bytes).Free.Push((data, shape));
                _free += bytes;
                while (_free > keepBytes) ReleaseOldest();
                return;
            }
        }

        Release(data, bytes);
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
        public Stack<(nint Data, long[]? Shape)> Free { get; } = [];

        public long LastUse { get; set; }
    }
}
