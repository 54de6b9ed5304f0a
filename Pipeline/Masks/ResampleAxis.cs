namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// One axis of a bilinear upsampling: for each output sample its two grid neighbours and the fraction between them, and the
/// stretches of samples that share both neighbours.
/// </summary>
internal sealed class ResampleAxis
{
    public static readonly ResampleAxis Empty = new(0);

    private ResampleAxis(int samples)
        => (Low, High, Fraction, Segments) = (new int[samples], new int[samples], new float[samples], []);

    public int[] Low { get; }

    public int[] High { get; }

    public float[] Fraction { get; }

    public (int From, int To)[] Segments { get; private set; }

    /// <param name="samples">Output samples.</param>
    /// <param name="cell">Source pixels an output sample.</param>
    /// <param name="frame">Source pixels along this axis.</param>
    /// <param name="content">Grid cells that show the frame.</param>
    /// <param name="cells">Grid cells in all.</param>
    public static ResampleAxis Create(int samples, int cell, int frame, double content, int cells)
    {
        var axis = new ResampleAxis(samples);
        var segments = new List<(int From, int To)>();
        for (var i = 0; i < samples; i++)
        {
            var at = Math.Clamp((i + 0.5) * cell * content / frame - 0.5, 0, cells - 1);
            axis.Low[i] = Math.Min((int)at, cells - 1);
            axis.High[i] = Math.Min(axis.Low[i] + 1, cells - 1);
            axis.Fraction[i] = (float)(at - axis.Low[i]);
            if (i > 0 && axis.Low[i] == axis.Low[i - 1]) segments[^1] = (segments[^1].From, i + 1);
            else segments.Add((i, i + 1));
        }

        axis.Segments = [.. segments];
        return axis;
    }
}
