using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>Writer of foreground runs in column-major order, with their measures. Reused; not thread-safe.</summary>
internal sealed class RunWriter
{
    private readonly List<int> _counts = [];
    private int _height, _end, _left, _right, _top, _bottom;
    private long _area, _sumX, _sumY2;

    public bool IsEmpty => _area == 0;

    public void Begin(int height)
    {
        _counts.Clear();
        _height = height;
        (_end, _area, _sumX, _sumY2) = (0, 0, 0, 0);
        (_left, _right, _top, _bottom) = (int.MaxValue, -1, int.MaxValue, -1);
    }

    /// <summary>Adds cells [start,end) of a column; runs come in ascending order and never overlap.</summary>
    public void Add(int x, int start, int end)
    {
        var (from, length) = (x * _height + start, end - start);
        if (from == _end && _counts.Count > 0) _counts[^1] += length;
        else
        {
            _counts.Add(from - _end);
            _counts.Add(length);
        }

        _end = from + length;
        _area += length;
        _sumX += (long)x * length;
        _sumY2 += (long)length * (start + end - 1);
        (_left, _right) = (Math.Min(_left, x), x);
        (_top, _bottom) = (Math.Min(_top, start), Math.Max(_bottom, end - 1));
    }

    public EncodedMask ToMask(in MaskGeometry geometry)
    {
        var cells = geometry.MaskWidth * _height;
        if (_end < cells) _counts.Add(cells - _end);
        float scale = geometry.Cell;
        var right = Math.Min((_right + 1) * scale, geometry.FrameWidth);
        var bottom = Math.Min((_bottom + 1) * scale, geometry.FrameHeight);
        return new EncodedMask(
            new RunLengthMask(geometry.MaskWidth, _height, [.. _counts]),
            new Box(_left * scale, _top * scale, right - _left * scale, bottom - _top * scale),
            _area * (double)scale * scale,
            (float)((_sumX / (double)_area + 0.5) * scale),
            (float)((_sumY2 / (2.0 * _area) + 0.5) * scale),
            _left == 0 || _top == 0 || _right == geometry.MaskWidth - 1 || _bottom == _height - 1);
    }
}
