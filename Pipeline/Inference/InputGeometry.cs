namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// Place of a frame in the model's input: resized by the shortest edge, padded at the right and at the bottom. The mask
/// grid covers the padded image, so a mask is upsampled to <c>Padded</c>, cropped to <c>Resized</c> and scaled to
/// <c>Source</c>.
/// </summary>
public readonly record struct InputGeometry(
    int SourceWidth, int SourceHeight,
    int ResizedWidth, int ResizedHeight,
    int PaddedWidth, int PaddedHeight,
    int MaskWidth, int MaskHeight)
{
    /// <summary>Geometry by the rule of <c>ResizeShortestEdge</c> (detectron2), then padding to the divisor.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A side is below 1.</exception>
    public static InputGeometry For(int width, int height, InputRule rule, int maskStride)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        var scale = (double)rule.ShorterSide / Math.Min(width, height);
        double w = height < width ? scale * width : rule.ShorterSide;
        double h = height < width ? rule.ShorterSide : scale * height;
        if (Math.Max(w, h) > rule.LargestSide)
        {
            var shrink = rule.LargestSide / Math.Max(w, h);
            (w, h) = (w * shrink, h * shrink);
        }

        // A very long frame may round to nothing.
        var (rw, rh) = (Math.Max(1, (int)(w + 0.5)), Math.Max(1, (int)(h + 0.5)));
        var (pw, ph) = (RoundUp(rw, rule.Divisor), RoundUp(rh, rule.Divisor));
        return new InputGeometry(width, height, rw, rh, pw, ph, pw / maskStride, ph / maskStride);
    }

    private static int RoundUp(int value, int divisor) => (value + divisor - 1) / divisor * divisor;
}
