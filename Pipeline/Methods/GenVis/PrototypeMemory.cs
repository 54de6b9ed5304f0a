using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Tensor = Dvis.Streaming.Pipeline.Memory.Tensor;

namespace Dvis.Streaming.Pipeline.Methods.GenVis;

/// <summary>
/// Memory of past clips, one column of keys and values per slot (GenVIS, prototype memory). A slot reads its own column
/// by an unscaled dot product: a softmax over its past clips. Exact up to the rule's number of clips since the column
/// was empty; its memory is allocated once, <see cref="Bytes"/>. Not thread-safe.
/// </summary>
public sealed class PrototypeMemory : IDisposable
{
    private readonly int _channels, _capacity;
    private readonly MemoryPolicy _policy;
    private readonly MemoryColumn[] _columns;

    // Shape [slots,capacity,C]: a read goes through each once, in order, and is bound by the speed of the memory.
    // Float16 would halve that, but rounds 8,000 times as much, which the recurrence from clip to clip amplifies.
    private readonly Tensor _keys, _values;
    private readonly float[] _weights;

    public PrototypeMemory(int slots, int channels, MemoryRule rule)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rule.Clips, 1, nameof(rule));
        (_channels, _capacity, _policy) = (channels, rule.Clips, rule.Policy);
        _columns = [.. Enumerable.Range(0, slots).Select(_ => new MemoryColumn(_capacity))];
        (_keys, _values) = (new Tensor(slots, _capacity, channels), new Tensor(slots, _capacity, channels));
        _weights = new float[_capacity];
    }

    /// <summary>Bytes of keys, values and the order of the entries; constant.</summary>
    public long Bytes => 2L * sizeof(float) * _keys.Length
        + (long)_columns.Length * _capacity * MemoryColumn.BytesPerEntry;

    /// <summary>Entries of the longest column.</summary>
    public int Entries
    {
        get
        {
            var most = 0;
            foreach (var column in _columns) most = Math.Max(most, column.Length);
            return most;
        }
    }

    /// <summary>Clips without an entry of their own, merged or forgotten, in the column with most of them.</summary>
    public long Merged
    {
        get
        {
            var most = 0L;
            foreach (var column in _columns) most = Math.Max(most, column.Seen - column.Length);
            return most;
        }
    }

    /// <summary>Adds a clip to every column.</summary>
    /// <param name="keys">Shape [slots,C].</param>
    /// <param name="values">Shape [slots,C].</param>
    public void Append(ReadOnlySpan<float> keys, ReadOnlySpan<float> values)
    {
        for (var slot = 0; slot < _columns.Length; slot++)
        {
            var column = _columns[slot];
            if (column.Length == _capacity) MakeRoom(slot, column);
            var row = column.Add();
            keys.Slice(slot * _channels, _channels).CopyTo(Row(_keys, slot, row));
            values.Slice(slot * _channels, _channels).CopyTo(Row(_values, slot, row));
        }
    }

    /// <summary>Adds to each slot's sum what it reads of its column; an empty column adds nothing.</summary>
    /// <param name="queries">Read keys, shape [slots,C].</param>
    /// <param name="sums">Shape [slots,C].</param>
    public void Read(ReadOnlySpan<float> queries, Span<float> sums)
    {
        for (var slot = 0; slot < _columns.Length; slot++)
        {
            if (_columns[slot].Length == 0) continue;
            var weights = Weigh(slot, queries.Slice(slot * _channels, _channels));
            var sum = sums.Slice(slot * _channels, _channels);
            for (var row = 0; row < weights.Length; row++)
                TensorPrimitives.MultiplyAdd(Row(_values, slot, row), weights[row], sum, sum);
        }
    }

    /// <summary>Empties the column of one slot.</summary>
    public void Clear(int slot) => _columns[slot].Clear();

    /// <summary>Empties all columns.</summary>
    public void Clear()
    {
        foreach (var column in _columns) column.Clear();
    }

    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
    }

    /// <summary>Softmax over the rows of a column. An entry of n clips weighs n times as much.</summary>
    private ReadOnlySpan<float> Weigh(int slot, ReadOnlySpan<float> query)
    {
        var column = _columns[slot];
        var weights = _weights.AsSpan(0, column.Length);
        for (var row = 0; row < weights.Length; row++)
            weights[row] = TensorPrimitives.Dot(query, Row(_keys, slot, row)) + column.LogClips[row];
        TensorPrimitives.Subtract(weights, TensorPrimitives.Max<float>(weights), weights);
        TensorPrimitives.Exp(weights, weights);
        TensorPrimitives.Divide(weights, TensorPrimitives.Sum<float>(weights), weights);
        return weights;
    }

    private void MakeRoom(int slot, MemoryColumn column)
    {
        if (_policy == MemoryPolicy.Ring || _capacity == 1)
        {
            column.Forget();
            return;
        }

        var (into, from, share) = column.Merge();
        foreach (var tensor in (ReadOnlySpan<Tensor>)[_keys, _values])
        {
            var merged = Row(tensor, slot, into);
            TensorPrimitives.Lerp(merged, Row(tensor, slot, from), share, merged);
        }
    }

    private Span<float> Row(Tensor tensor, int slot, int row)
        => tensor.Span.Slice((slot * _capacity + row) * _channels, _channels);
}
