namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>Pool of tensors in native memory. Thread-safe.</summary>
/// <inheritdoc cref="NativePool"/>
public sealed class TensorPool(long keepBytes = 512L << 20) : NativePool(keepBytes)
{
    /// <summary>A float32 tensor of this shape, content undefined; disposing it returns the memory.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The shape has no elements or more than 2^31-1.</exception>
    public Tensor Rent(params ReadOnlySpan<long> shape)
    {
        var length = Tensor.Count(shape);
        var (data, last) = RentBlock((long)length * sizeof(float));
        // The last shape is nearly always this one: keep its array.
        return new Tensor(this, data, length, last is not null && shape.SequenceEqual(last) ? last : shape.ToArray());
    }
}
