using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Frames;

/// <summary>
/// Native memory for frames. Buffers are kept by size and given out again; <see cref="Outstanding"/> is what is out now,
/// and 0 after a clean stop proves that nothing leaked. Thread-safe.
/// </summary>
public sealed class FramePool : IDisposable
{
    private const nuint Alignment = 64;
    private const int KeptPerSize = 32;
    private readonly ConcurrentDictionary<int, ConcurrentBag<nint>> _free = new();
    private long _outstanding;
    private long _allocated;
    private long _allocations;
    private volatile bool _disposed;

    /// <summary>Frames given out and not returned.</summary>
    public long Outstanding => Interlocked.Read(ref _outstanding);

    /// <summary>Bytes of native memory held, in use or free.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocated);

    /// <summary>Native allocations since the start; flat in steady state.</summary>
    public long Allocations => Interlocked.Read(ref _allocations);

    /// <summary>A frame of RGB24 memory, content undefined.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A side is not in 1 … 16384.</exception>
    public unsafe Frame Rent(int width, int height, FrameInfo info)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, 16384);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(height, 16384);
        var bytes = width * height * 3;
        if (!Free(bytes).TryTake(out var pixels))
        {
            pixels = (nint)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
            Interlocked.Add(ref _allocated, bytes);
            Interlocked.Increment(ref _allocations);
        }

        Interlocked.Increment(ref _outstanding);
        return new Frame(this, pixels, width, height, info);
    }

    internal void Return(nint pixels, int bytes)
    {
        Interlocked.Decrement(ref _outstanding);
        var free = Free(bytes);
        if (!_disposed && free.Count < KeptPerSize) free.Add(pixels);
        else Release(pixels, bytes);
    }

    /// <summary>Frees what is free; a frame still out is freed when its owner disposes it.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach (var (bytes, free) in _free)
            while (free.TryTake(out var pixels)) Release(pixels, bytes);
    }

    private ConcurrentBag<nint> Free(int bytes) => _free.GetOrAdd(bytes, static _ => []);

    private unsafe void Release(nint pixels, int bytes)
    {
        NativeMemory.AlignedFree((void*)pixels);
        Interlocked.Add(ref _allocated, -bytes);
    }
}
