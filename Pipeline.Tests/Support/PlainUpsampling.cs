using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>The official way from logits to probabilities, written the plainest way, in double precision:
/// whole pictures, one step after the other.</summary>
internal static class PlainUpsampling
{
    /// <returns>Shape [MaskHeight,MaskWidth].</returns>
    public static double[] Probabilities(ReadOnlySpan<float> logits, MaskGeometry g, int stride)
    {
        double[] grid = [.. logits.ToArray().Select(v => (double)v)];
        var (pw, ph) = (g.GridWidth * stride, g.GridHeight * stride);
        var padded = Resize(grid, g.GridWidth, g.GridHeight, pw, ph);
        var (rw, rh) = ((int)Math.Round(g.ContentWidth * stride), (int)Math.Round(g.ContentHeight * stride));
        var content = new double[rw * rh];
        for (var y = 0; y < rh; y++)
            for (var x = 0; x < rw; x++) content[y * rw + x] = 1 / (1 + Math.Exp(-padded[y * pw + x]));
        var full = Resize(content, rw, rh, g.FrameWidth, g.FrameHeight);
        if (g.Cell == 1) return full;
        // A coarser grid looks at the same field in the middle of its cells.
        var coarse = new double[g.MaskWidth * g.MaskHeight];
        for (var y = 0; y < g.MaskHeight; y++)
            for (var x = 0; x < g.MaskWidth; x++)
                coarse[y * g.MaskWidth + x] = At(content, rw, rh, (x + 0.5) * g.Cell * rw / g.FrameWidth - 0.5,
                    (y + 0.5) * g.Cell * rh / g.FrameHeight - 0.5);
        return coarse;
    }

    private static double[] Resize(double[] source, int width, int height, int toWidth, int toHeight)
    {
        var target = new double[toWidth * toHeight];
        for (var y = 0; y < toHeight; y++)
            for (var x = 0; x < toWidth; x++)
                target[y * toWidth + x] =
                    At(source, width, height, (x + 0.5) * width / toWidth - 0.5, (y + 0.5) * height / toHeight - 0.5);
        return target;
    }

    private static double At(double[] source, int width, int height, double x, double y)
    {
        (x, y) = (Math.Clamp(x, 0, width - 1), Math.Clamp(y, 0, height - 1));
        var (x0, y0) = ((int)x, (int)y);
        var (x1, y1) = (Math.Min(x0 + 1, width - 1), Math.Min(y0 + 1, height - 1));
        var (fx, fy) = (x - x0, y - y0);
        return (1 - fy) * ((1 - fx) * source[y0 * width + x0] + fx * source[y0 * width + x1])
            + fy * ((1 - fx) * source[y1 * width + x0] + fx * source[y1 * width + x1]);
    }
}
