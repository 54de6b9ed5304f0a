using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// One axis of a bilinear upsampling: two grid neighbours of each output sample and the fraction between them, and the
/// stretches of samples that share both neighbours.
/// </summary>
internal sealed class ResampleAxis
{
    /// <summary>Readable, finite values after the last cell that <see cref="Apply"/> needs.</summary>
    public const int Pad = 9;

    public static readonly ResampleAxis Empty = new(0);

    // Where every eight samples lie within eight cells, two loads and two permutations fetch their neighbours.
    private readonly int[] _relative;
    private bool _narrow;

    private ResampleAxis(int samples)
        => (Low, High, Fraction, Segments, _relative) =
            (new int[samples], new int[samples], new float[samples], [], new int[samples]);

    public int[] Low { get; }

    public int[] High { get; }

    public float[] Fraction { get; }

    public (int From, int To)[] Segments { get; private set; }

    /// <param name="samples">Output samples.</param>
    /// <param name="cell">Source pixels per output sample.</param>
    /// <param name="frame">Source pixels along this axis.</param>
    /// <param name="content">Grid cells that show the frame.</param>
    /// <param name="cells">Grid cells in all.</param>
    public static ResampleAxis Create(int samples, int cell, int frame, double content, int cells)
    {
        var axis = new ResampleAxis(samples) { _narrow = true };
        var segments = new List<(int From, int To)>();
        for (var i = 0; i < samples; i++)
        {
            var at = Math.Clamp((i + 0.5) * cell * content / frame - 0.5, 0, cells - 1);
            axis.Low[i] = Math.Min((int)at, cells - 1);
            axis.High[i] = Math.Min(axis.Low[i] + 1, cells - 1);
            axis.Fraction[i] = (float)(at - axis.Low[i]);
            axis._relative[i] = axis.Low[i] - axis.Low[i & ~7];
            axis._narrow &= axis._relative[i] < 8;
            if (i > 0 && axis.Low[i] == axis.Low[i - 1]) segments[^1] = (segments[^1].From, i + 1);
            else segments.Add((i, i + 1));
        }

        axis.Segments = [.. segments];
        return axis;
    }

    /// <summary>target[i] = low + fraction (high - low).</summary>
    /// <param name="source">All cells of the axis, and <see cref="Pad"/> more.</param>
    /// <param name="target">One value per sample.</param>
    public void Apply(ReadOnlySpan<float> source, Span<float> target)
    {
        var i = 0;
        if (Avx2.IsSupported && _narrow)
        {
            ref var cells = ref MemoryMarshal.GetReference(source);
            for (; i + 8 <= target.Length; i += 8)
            {
                var (first, relative) = ((nuint)Low[i], Vector256.Create(_relative, i));
                var low = Avx2.PermuteVar8x32(Vector256.LoadUnsafe(ref cells, first), relative);
                // One cell on; behind the last one the fraction is 0.
                var high = Avx2.PermuteVar8x32(Vector256.LoadUnsafe(ref cells, first + 1), relative);
                (low + Vector256.Create(Fraction, i) * (high - low)).CopyTo(target[i..]);
            }
        }

        for (; i < target.Length; i++)
        {
            var low = source[Low[i]];
            target[i] = low + Fraction[i] * (source[High[i]] - low);
        }
    }
}
