using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>
/// A dense float32 tensor in native memory (64-byte aligned, row-major). The shape may be changed within the capacity,
/// so that one allocation serves batches of any size up to the largest. Not thread-safe; one owner, whose
/// <see cref="Dispose"/> frees the memory or gives it back to the <see cref="TensorPool"/> it was rented from.
/// </summary>
public sealed class Tensor : IDisposable
{
    private readonly TensorPool? _pool;
    private nint _data;

    /// <exception cref="ArgumentOutOfRangeException">The shape has no elements or more than 2^31-1.</exception>
    public unsafe Tensor(params ReadOnlySpan<long> shape)
    {
        Shape = shape.ToArray();
        Length = Count(shape);
        Capacity = Length;
        _data = (nint)NativeMemory.AlignedAlloc((nuint)Capacity * sizeof(float), 64);
        NativeMemory.Clear((void*)_data, (nuint)Capacity * sizeof(float));
    }

    // A rented tensor is its pool's business: a forgotten one must show as outstanding,
    // not be repaired by the finalizer.
    internal Tensor(TensorPool pool, nint data, int capacity, long[] shape)
    {
        (_pool, _data, Capacity, Shape, Length) = (pool, data, capacity, shape, Count(shape));
        GC.SuppressFinalize(this);
    }

    public long[] Shape { get; private set; }

    /// <summary>Elements of the present shape.</summary>
    public int Length { get; private set; }

    /// <summary>Elements allocated.</summary>
    public int Capacity { get; }

    public nint Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data == 0, this);
            return _data;
        }
    }

    public unsafe Span<float> Span => new((void*)Data, Length);

    /// <summary>Gives the memory another shape; the data stays as it lies.</summary>
    /// <exception cref="ArgumentOutOfRangeException">More elements than <see cref="Capacity"/>.</exception>
    public void Reshape(params ReadOnlySpan<long> shape)
    {
        var length = Count(shape);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Capacity);
        Length = length;
        if (!Shape.AsSpan().SequenceEqual(shape)) Shape = shape.ToArray();
    }

    public unsafe void Dispose()
    {
        var data = Interlocked.Exchange(ref _data, 0);
        if (data == 0) return;
        if (_pool is not null) _pool.Return(data, Capacity, Shape);
        else NativeMemory.AlignedFree((void*)data);
        GC.SuppressFinalize(this);
    }

    ~Tensor() => Dispose();

    internal static int Count(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (var side in shape)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(side, 1, nameof(shape));
            count = checked(count * side);
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, int.MaxValue, nameof(shape));
        return (int)count;
    }
}
