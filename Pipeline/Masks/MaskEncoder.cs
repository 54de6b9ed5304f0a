using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>A mask and its measures in source pixels.</summary>
public sealed record EncodedMask(RunLengthMask Mask, Box Box, double AreaPx, float CentroidX, float CentroidY,
    bool Truncated);

/// <summary>
/// Bilinear upsampling (align_corners = False), threshold at 0 and run-length encoding in one pass, column by column:
/// the upsampled logits never exist. Between two grid rows the interpolation is monotone, so a stretch whose ends agree
/// in sign is a run. Buffers are reused; not thread-safe.
/// </summary>
public sealed class MaskEncoder
{
    private readonly RunWriter _runs = new();
    private MaskGeometry _geometry;
    private ResampleAxis _x = ResampleAxis.Empty, _y = ResampleAxis.Empty;

    // The logits transposed to [GridWidth,GridHeight], one interpolated column, and the columns with positive logits.
    private float[] _columns = [], _column = [];
    private bool[] _positive = [];

    /// <summary>Encodes one mask; null when no sample lies above 0.</summary>
    /// <param name="logits">Shape [GridHeight,GridWidth].</param>
    public EncodedMask? Encode(ReadOnlySpan<float> logits, in MaskGeometry geometry)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, geometry.GridWidth * geometry.GridHeight);
        if (geometry != _geometry) Prepare(geometry);
        Transpose(logits);
        _runs.Begin(geometry.MaskHeight);
        var rows = geometry.GridHeight;
        for (var x = 0; x < geometry.MaskWidth; x++)
        {
            var (left, right) = (_x.Low[x], _x.High[x]);
            if (!_positive[left] && !_positive[right]) continue;
            var a = _columns.AsSpan(left * rows, rows);
            TensorPrimitives.Subtract(_columns.AsSpan(right * rows, rows), a, _column);
            TensorPrimitives.MultiplyAdd(_column, _x.Fraction[x], a, _column);
            EncodeColumn(x);
        }

        return _runs.IsEmpty ? null : _runs.ToMask(geometry);
    }

    private void EncodeColumn(int x)
    {
        var start = -1;
        foreach (var (from, to) in _y.Segments)
        {
            var (a, b) = (_column[_y.Low[from]], _column[_y.High[from]]);
            if (a > 0 && b > 0)
            {
                if (start < 0) start = from;
            }
            else if (a <= 0 && b <= 0)
            {
                if (start >= 0) _runs.Add(x, start, from);
                start = -1;
            }
            else
            {
                for (var y = from; y < to; y++)
                {
                    var inside = a + _y.Fraction[y] * (b - a) > 0;
                    if (inside && start < 0) start = y;
                    if (inside || start < 0) continue;
                    _runs.Add(x, start, y);
                    start = -1;
                }
            }
        }

        if (start >= 0) _runs.Add(x, start, _geometry.MaskHeight);
    }

    private void Prepare(in MaskGeometry geometry)
    {
        _geometry = geometry;
        _x = ResampleAxis.Create(geometry.MaskWidth, geometry.Cell, geometry.FrameWidth, geometry.ContentWidth,
            geometry.GridWidth);
        _y = ResampleAxis.Create(geometry.MaskHeight, geometry.Cell, geometry.FrameHeight, geometry.ContentHeight,
            geometry.GridHeight);
        _columns = new float[geometry.GridWidth * geometry.GridHeight];
        _column = new float[geometry.GridHeight];
        _positive = new bool[geometry.GridWidth];
    }

    private void Transpose(ReadOnlySpan<float> logits)
    {
        Array.Clear(_positive);
        var (width, height) = (_geometry.GridWidth, _geometry.GridHeight);
        for (var y = 0; y < height; y++)
        {
            var row = logits.Slice(y * width, width);
            for (var x = 0; x < width; x++)
            {
                var value = row[x];
                _columns[x * height + y] = value;
                if (value > 0) _positive[x] = true;
            }
        }
    }
}
