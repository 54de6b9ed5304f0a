using System.Numerics.Tensors;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// Upsampler of mask logits to probabilities, row by row, as in the panoptic and semantic inference of DVIS: bilinear
/// to the padded input, crop to the frame, sigmoid, bilinear to the output (align_corners = False both times). Without
/// the sigmoid these are the logits of the official instance masks. Buffers are reused; not thread-safe.
/// </summary>
public sealed class ProbabilityUpsampler(int maskStride, bool sigmoid = true)
{
    private MaskGeometry _geometry;
    private ResampleAxis _gridX = ResampleAxis.Empty, _gridY = ResampleAxis.Empty, _inputX = ResampleAxis.Empty,
        _inputY = ResampleAxis.Empty;
    private float[] _gridRow = [], _inputRow = [];

    /// <summary>Width of the resized frame, without padding.</summary>
    public int InputWidth { get; private set; }

    /// <summary>Height of the resized frame, without padding.</summary>
    public int InputHeight { get; private set; }

    public int OutputWidth => _geometry.MaskWidth;

    public int OutputHeight => _geometry.MaskHeight;

    /// <summary>Sets the sizes; cheap when they are those of the last call.</summary>
    public void Prepare(in MaskGeometry geometry)
    {
        if (geometry == _geometry) return;
        _geometry = geometry;
        var g = geometry;
        InputWidth = (int)Math.Round(g.ContentWidth * maskStride);
        var inputHeight = InputHeight = (int)Math.Round(g.ContentHeight * maskStride);
        _gridX = ResampleAxis.Create(InputWidth, 1, g.GridWidth * maskStride, g.GridWidth, g.GridWidth);
        _gridY = ResampleAxis.Create(inputHeight, 1, g.GridHeight * maskStride, g.GridHeight, g.GridHeight);
        _inputX = ResampleAxis.Create(g.MaskWidth, g.Cell, g.FrameWidth, InputWidth, InputWidth);
        _inputY = ResampleAxis.Create(g.MaskHeight, g.Cell, g.FrameHeight, inputHeight, inputHeight);
        _gridRow = new float[g.GridWidth + ResampleAxis.Pad];
        _inputRow = new float[InputWidth + ResampleAxis.Pad];
    }

    /// <summary>The two input rows between which an output row lies.</summary>
    public (int Low, int High) RowsOf(int outputRow) => (_inputY.Low[outputRow], _inputY.High[outputRow]);

    /// <summary>Probabilities of one row of the resized frame.</summary>
    /// <param name="logits">Shape [GridHeight,GridWidth].</param>
    /// <param name="probabilities">Length <see cref="InputWidth"/>.</param>
    /// <param name="least">A row of logits below this becomes zeros.</param>
    public void InputRow(ReadOnlySpan<float> logits, int row, Span<float> probabilities,
        float least = float.NegativeInfinity)
    {
        var width = _geometry.GridWidth;
        Blend(logits.Slice(_gridY.Low[row] * width, width), logits.Slice(_gridY.High[row] * width, width),
            _gridY.Fraction[row], _gridRow);
        if (least > float.NegativeInfinity && TensorPrimitives.Max<float>(_gridRow.AsSpan(0, width)) < least)
        {
            probabilities.Clear();
            return;
        }

        _gridX.Apply(_gridRow, probabilities);
        if (sigmoid) TensorPrimitives.Sigmoid(probabilities, probabilities);
    }

    /// <summary>One output row from its two input rows (<see cref="RowsOf"/>), or from mixtures of such rows.</summary>
    /// <param name="output">Length <see cref="OutputWidth"/>.</param>
    public void OutputRow(ReadOnlySpan<float> low, ReadOnlySpan<float> high, int row, Span<float> output)
    {
        Blend(low, high, _inputY.Fraction[row], _inputRow);
        _inputX.Apply(_inputRow, output);
    }

    private static void Blend(ReadOnlySpan<float> low, ReadOnlySpan<float> high, float fraction, Span<float> row)
    {
        TensorPrimitives.Subtract(high, low, row);
        TensorPrimitives.MultiplyAdd(row[..low.Length], fraction, low, row);
    }
}
