using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// Reader of a map of labels in one pass: run-length mask and measures of every value, and the runs of the whole map.
/// Buffers are reused, results are copies; not thread-safe.
/// </summary>
public sealed class LabelMapReader
{
    // As many columns at a time as a cache line holds, so that each line of the map is read once.
    private const int Columns = 32;

    private readonly List<RunWriter> _writers = [];
    private readonly List<int> _runs = [];
    private ushort[] _columns = [];
    private MaskGeometry _geometry;

    /// <param name="labels">Shape [MaskHeight,MaskWidth].</param>
    /// <param name="values">Value of each label; 0: none. Labels of one value are one mask.</param>
    /// <param name="largest">Largest value.</param>
    public void Read(ReadOnlySpan<ushort> labels, ReadOnlySpan<ushort> values, int largest, in MaskGeometry geometry)
    {
        _geometry = geometry;
        var (width, height) = (geometry.MaskWidth, geometry.MaskHeight);
        if (_columns.Length != Columns * height) _columns = new ushort[Columns * height];
        while (_writers.Count < largest) _writers.Add(new RunWriter());
        for (var v = 0; v < largest; v++) _writers[v].Begin(height);
        _runs.Clear();
        for (var left = 0; left < width; left += Columns)
        {
            var count = Math.Min(Columns, width - left);
            for (var y = 0; y < height; y++)
            {
                var row = labels.Slice(y * width + left, count);
                for (var i = 0; i < row.Length; i++) _columns[i * height + y] = values[row[i]];
            }

            for (var i = 0; i < count; i++) ReadColumn(left + i, _columns.AsSpan(i * height, height));
        }
    }

    /// <summary>The mask of a value; null when it is empty.</summary>
    public EncodedMask? Mask(int value) =>
        _writers[value - 1] is { IsEmpty: false } runs ? runs.ToMask(_geometry) : null;

    /// <summary>Value, length, value, length, … down the columns.</summary>
    public int[] Runs() => [.. _runs];

    private void ReadColumn(int x, ReadOnlySpan<ushort> column)
    {
        for (int start = 0, end; start < column.Length; start = end)
        {
            var value = column[start];
            var length = column[start..].IndexOfAnyExcept(value);
            end = length < 0 ? column.Length : start + length;
            if (value > 0) _writers[value - 1].Add(x, start, end);
            if (_runs.Count > 0 && _runs[^2] == value) CollectionsMarshal.AsSpan(_runs)[^1] += end - start;
            else
            {
                _runs.Add(value);
                _runs.Add(end - start);
            }
        }
    }
}
