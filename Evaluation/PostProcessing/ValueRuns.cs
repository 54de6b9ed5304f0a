namespace Dvis.Streaming.Evaluation.PostProcessing;

/// <summary>A picture of small numbers as runs of equal values, row by row:
/// some kilobytes where the picture has a megapixel.</summary>
public sealed class ValueRuns
{
    private readonly ushort[] _values;
    private readonly int[] _ends;

    /// <param name="pixels">Shape [height,width].</param>
    public ValueRuns(int width, int height, ReadOnlySpan<ushort> pixels)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(pixels.Length, width * height);
        (Width, Height) = (width, height);
        var (values, ends) = (new List<ushort>(), new List<int>());
        for (var from = 0; from < pixels.Length;)
        {
            var length = pixels[from..].IndexOfAnyExcept(pixels[from]);
            values.Add(pixels[from]);
            from = length < 0 ? pixels.Length : from + length;
            ends.Add(from);
        }

        (_values, _ends) = ([.. values], [.. ends]);
    }

    private ValueRuns(ValueRuns runs, ushort[] values) =>
        (Width, Height, _values, _ends) = (runs.Width, runs.Height, values, runs._ends);

    public int Width { get; }

    public int Height { get; }

    /// <summary>The values that occur.</summary>
    public IReadOnlySet<ushort> Values => _values.ToHashSet();

    /// <param name="pixels">Shape [Height,Width].</param>
    public void CopyTo(Span<int> pixels)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(pixels.Length, Width * Height);
        var from = 0;
        for (var i = 0; i < _values.Length; from = _ends[i++]) pixels[from.._ends[i]].Fill(_values[i]);
    }

    /// <summary>The same picture with every value replaced by what stands at its
    /// number in <paramref name="map"/>.</summary>
    public ValueRuns Select(ushort[] map) => new(this, Array.ConvertAll(_values, value => map[value]));
}
