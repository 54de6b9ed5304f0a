using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// Native memory for tensors, kept by size and given out again. <see cref="Outstanding"/> is what is out now, and 0 after a
/// clean stop proves that nothing leaked. Free memory is bounded: beyond the limit the size that was not asked for longest goes. Thread-safe.
/// </summary>
/// <param name="keepBytes">Free memory that may be kept, in bytes.</param>
public sealed class TensorPool(long keepBytes = 512L << 20) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, Shelf> _shelves = []; // under _gate, like all fields below
    private long _outstanding, _allocated, _allocations, _free, _clock;
    private bool _disposed;

    /// <summary>Tensors given out and not returned.</summary>
    public long Outstanding => Interlocked.Read(ref _outstanding);

    /// <summary>Bytes of native memory held, in use or free.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocated);

    /// <summary>Native allocations since the start; flat in steady state.</summary>
    public long Allocations => Interlocked.Read(ref _allocations);

    /// <summary>A float32 tensor of this shape, content undefined; disposing it gives the memory back.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The shape has no elements or more than 2^31-1.</exception>
    public unsafe Tensor Rent(params ReadOnlySpan<long> shape)
    {
        var length = Tensor.Count(shape);
        Interlocked.Increment(ref _outstanding);
        lock (_gate)
        {
            var shelf = ShelfFor(length);
            if (shelf.Free.TryPop(out var block))
            {
                _free -= Bytes(length);
                // The last shape is nearly always this one: keep its array.
                return new Tensor(this, block.Data, length, shape.SequenceEqual(block.Shape) ? block.Shape : shape.ToArray());
            }
        }

        var data = (nint)NativeMemory.AlignedAlloc((nuint)Bytes(length), 64);
        Interlocked.Add(ref _allocated, Bytes(length));
        Interlocked.Increment(ref _allocations);
        return new Tensor(this, data, length, shape.ToArray());
    }

    internal void Return(nint data, int capacity, long[] shape)
    {
        Interlocked.Decrement(ref _outstanding);
        lock (_gate)
        {
            if (!_disposed && Bytes(capacity) <= keepBytes)
            {
                ShelfFor(capacity).Free.Push(new Block(data, shape));
                _free += Bytes(capacity);
                while (_free > keepBytes) ReleaseOldest();
                return;
            }
        }

        Release(data, capacity);
    }

    /// <summary>Frees what is free; a tensor still out is freed when its owner disposes it.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (var (length, shelf) in _shelves)
                while (shelf.Free.TryPop(out var block)) Release(block.Data, length);
            _shelves.Clear();
            _free = 0;
        }
    }

    private Shelf ShelfFor(int length)
    {
        if (!_shelves.TryGetValue(length, out var shelf)) _shelves[length] = shelf = new Shelf();
        shelf.LastUse = ++_clock;
        return shelf;
    }

    private void ReleaseOldest()
    {
        var (length, shelf) = _shelves.Where(s => s.Value.Free.Count > 0).MinBy(s => s.Value.LastUse);
        Release(shelf.Free.Pop().Data, length);
        _free -= Bytes(length);
        if (shelf.Free.Count == 0) _shelves.Remove(length);
    }

    private unsafe void Release(nint data, int length)
    {
        NativeMemory.AlignedFree((void*)data);
        Interlocked.Add(ref _allocated, -Bytes(length));
    }

    private static long Bytes(int length) => (long)length * sizeof(float);

    private readonly record struct Block(nint Data, long[] Shape);

    private sealed class Shelf
    {
        public Stack<Block> Free { get; } = [];

        public long LastUse { get; set; }
    }
}
