namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>
/// Native memory for tensors, kept by size and given out again. <see cref="Outstanding"/> is what is out now, and 0
/// after a clean stop proves that nothing leaked. Free memory is bounded: beyond the limit the size that was not asked
/// for longest goes. Thread-safe.
/// </summary>
/// <param name="keepBytes">Free memory that may be kept, in bytes.</param>
public sealed class TensorPool(long keepBytes = 512L << 20) : IDisposable
{
    private readonly NativeBlocks<long[]> _blocks = new(keepBytes);

    /// <summary>Tensors given out and not returned.</summary>
    public long Outstanding => _blocks.Outstanding;

    /// <summary>Bytes of native memory held, in use or free.</summary>
    public long AllocatedBytes => _blocks.AllocatedBytes;

    /// <summary>Native allocations since the start; flat in steady state.</summary>
    public long Allocations => _blocks.Allocations;

    /// <summary>A float32 tensor of this shape, content undefined; disposing it gives the memory back.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The shape has no elements or more than 2^31-1.</exception>
    public Tensor Rent(params ReadOnlySpan<long> shape)
    {
        var length = Tensor.Count(shape);
        var (data, last) = _blocks.Rent(Bytes(length));
        // The last shape is nearly always this one: keep its array.
        return new Tensor(this, data, length, last is not null && shape.SequenceEqual(last) ? last : shape.ToArray());
    }

    internal void Return(nint data, int capacity, long[] shape) => _blocks.Return(data, Bytes(capacity), shape);

    /// <summary>Frees what is free; a tensor still out is freed when its owner disposes it.</summary>
    public void Dispose() => _blocks.Dispose();

    private static long Bytes(int length) => (long)length * sizeof(float);
}
