namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>
/// Antialiased bilinear resize of packed RGB between two fixed sizes, equal to Pillow's <c>resize(size, BILINEAR)</c>
/// to the bit: sideways first, rounded to bytes, then downwards. Owns its scratch rows; allocates nothing after
/// construction. Not thread-safe.
/// </summary>
internal sealed class BilinearResize
{
    private const int Slack = 16; // see ResizeKernels.Horizontal
    private readonly ResizeWeights? _horizontal, _vertical; // null: this side keeps its size
    private readonly int _sourceHeight, _width, _pitch;
    private readonly byte[] _narrow; // source rows at the target width
    private readonly byte[] _row;

    public BilinearResize(int sourceWidth, int sourceHeight, int width, int height)
    {
        (_sourceHeight, _width) = (sourceHeight, width);
        _horizontal = width == sourceWidth ? null : new ResizeWeights(sourceWidth, width);
        _vertical = height == sourceHeight ? null : new ResizeWeights(sourceHeight, height);
        _pitch = _horizontal is null ? width * 3 : width * 3 + Slack;
        _narrow = _horizontal is null ? [] : new byte[sourceHeight * _pitch];
        _row = _vertical is null ? [] : new byte[width * 3];
    }

    /// <summary>Begins an image, whose rows <see cref="Row"/> returns.</summary>
    public void Begin(ReadOnlySpan<byte> source)
    {
        if (_horizontal is not null) ResizeKernels.Horizontal(source, _sourceHeight, _horizontal, _narrow, _pitch);
    }

    /// <summary>One row of the result, packed RGB, valid until the next call.</summary>
    public ReadOnlySpan<byte> Row(ReadOnlySpan<byte> source, int y)
    {
        var rows = _horizontal is null ? source : _narrow;
        if (_vertical is null) return rows.Slice(y * _pitch, _width * 3);
        ResizeKernels.Vertical(rows, _pitch, _vertical.Starts[y], _vertical.Of(y), _row);
        return _row;
    }
}
