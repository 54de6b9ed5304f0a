using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>
/// Conversion of a frame to the model's input: antialiased resize (equal to Pillow's), channel order, normalisation,
/// padding. It keeps weights and scratch rows of the last frame size: no allocation while the size stays. Not
/// thread-safe: one per camera.
/// </summary>
public sealed class FramePreprocessor
{
    private readonly InputRule _rule;
    private readonly int _maskStride;
    private readonly float[] _normalised = new float[3 * 256]; // [plane, byte]: (x - mean) / std
    private InputGeometry _geometry;
    private BilinearResize? _resize; // of the last frame size

    public FramePreprocessor(InputRule rule, int maskStride)
    {
        (_rule, _maskStride) = (rule, maskStride);
        for (var plane = 0; plane < 3; plane++)
            for (var x = 0; x < 256; x++)
                _normalised[plane * 256 + x] = (x - rule.Mean[plane]) / rule.Std[plane];
    }

    /// <summary>Geometry of a frame of this size; kept for the next frames.</summary>
    public InputGeometry GeometryOf(int width, int height)
    {
        if ((_geometry.SourceWidth, _geometry.SourceHeight) == (width, height)) return _geometry;
        var g = InputGeometry.For(width, height, _rule, _maskStride);
        _resize = new BilinearResize(width, height, g.ResizedWidth, g.ResizedHeight);
        return _geometry = g;
    }

    /// <summary>Writes the frame as planes [3,PaddedHeight,PaddedWidth].</summary>
    /// <exception cref="ArgumentException"><paramref name="image"/> has another length.</exception>
    public void Run(Frame frame, Span<float> image)
    {
        var g = GeometryOf(frame.Width, frame.Height);
        if (image.Length != 3 * g.PaddedHeight * g.PaddedWidth)
            throw new ArgumentException(
                $"{image.Length} values for an image of 3 x {g.PaddedHeight} x {g.PaddedWidth}.", nameof(image));

        _resize!.Begin(frame.Pixels);
        for (var y = 0; y < g.ResizedHeight; y++) WriteRow(_resize.Row(frame.Pixels, y), y, g, image);
        var plane = g.PaddedHeight * g.PaddedWidth;
        for (var p = 0; p < 3; p++) image.Slice(p * plane, plane)[(g.ResizedHeight * g.PaddedWidth)..].Clear();
    }

    private void WriteRow(ReadOnlySpan<byte> row, int y, InputGeometry g, Span<float> image)
    {
        for (var plane = 0; plane < 3; plane++)
        {
            var target = image.Slice((plane * g.PaddedHeight + y) * g.PaddedWidth, g.PaddedWidth);
            ReadOnlySpan<float> table = _normalised.AsSpan(plane * 256, 256);
            var channel = _rule.ChannelOrder == "bgr" ? 2 - plane : plane;
            for (var (x, i) = (0, channel); x < g.ResizedWidth; x++, i += 3) target[x] = table[row[i]];
            target[g.ResizedWidth..].Clear();
        }
    }
}
