using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Frames;

/// <summary>Pool of frames in native memory. Thread-safe.</summary>
/// <inheritdoc cref="NativePool"/>
public sealed class FramePool(long keepBytes = 256L << 20) : NativePool(keepBytes)
{
    /// <summary>A frame of RGB24 memory, content undefined.</summary>
    /// <param name="info">Null: the source sets it later.</param>
    /// <exception cref="ArgumentOutOfRangeException">A side is not in 1 … 16384.</exception>
    public Frame Rent(int width, int height, FrameInfo? info = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, 16384);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(height, 16384);
        return new Frame(this, RentBlock(width * height * 3).Data, width, height, info);
    }
}
