using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Frames;

/// <summary>
/// Native memory for frames, kept by size and given out again. <see cref="Outstanding"/> is what is out now, and 0
/// after a clean stop proves that nothing leaked. Free memory is bounded: beyond the limit the size that was not asked
/// for longest goes. Thread-safe.
/// </summary>
/// <param name="keepBytes">Free memory that may be kept, in bytes.</param>
public sealed class FramePool(long keepBytes = 256L << 20) : IDisposable
{
    private readonly NativeBlocks<object> _blocks = new(keepBytes);

    /// <summary>Frames given out and not returned.</summary>
    public long Outstanding => _blocks.Outstanding;

    /// <summary>Bytes of native memory held, in use or free.</summary>
    public long AllocatedBytes => _blocks.AllocatedBytes;

    /// <summary>Native allocations since the start; flat in steady state.</summary>
    public long Allocations => _blocks.Allocations;

    /// <summary>A frame of RGB24 memory, content undefined.</summary>
    /// <param name="info">Null: the source sets it later.</param>
    /// <exception cref="ArgumentOutOfRangeException">A side is not in 1 … 16384.</exception>
    public Frame Rent(int width, int height, FrameInfo? info = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, 16384);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(height, 16384);
        return new Frame(this, _blocks.Rent(width * height * 3).Data, width, height, info);
    }

    internal void Return(nint pixels, int bytes) => _blocks.Return(pixels, bytes);

    /// <summary>Frees what is free; a frame still out is freed when its owner disposes it.</summary>
    public void Dispose() => _blocks.Dispose();
}
