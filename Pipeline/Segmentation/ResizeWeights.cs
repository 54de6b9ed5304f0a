namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>
/// Weights of one axis of an antialiased bilinear resize, in the fixed point of Pillow (22 fraction bits), so that the
/// result is Pillow's to the bit: the models were trained on it, and plain bilinear differs by up to tens of grey
/// levels when it shrinks.
/// </summary>
internal sealed class ResizeWeights
{
    /// <summary>Fraction bits: 32 - 8 of the pixel - 2 of headroom.</summary>
    public const int Bits = 22;

    /// <summary>The weights of an output are padded with zeros to a multiple of this, for the vector loops.</summary>
    public const int TapStep = 4;

    public ResizeWeights(int source, int target)
    {
        (Source, Target) = (source, target);
        var scale = (double)source / target;
        // shrinking widens the triangle to cover the source pixels between: the antialiasing
        var stretch = Math.Max(scale, 1.0);
        var shrink = 1.0 / stretch; // multiplied, not divided by, as Pillow does: the last bit counts
        var room = (int)Math.Ceiling(stretch) * 2 + 1;
        Taps = (room + TapStep - 1) / TapStep * TapStep;
        Starts = new int[target];
        Counts = new int[target];
        Values = new int[target * Taps];
        Span<double> weights = new double[room];
        for (var i = 0; i < target; i++)
        {
            var center = (i + 0.5) * scale;
            var first = Math.Max((int)(center - stretch + 0.5), 0);
            var count = Math.Min((int)(center + stretch + 0.5), source) - first;
            var sum = 0.0;
            for (var t = 0; t < count; t++)
            {
                weights[t] = Math.Max(0.0, 1.0 - Math.Abs((t + first - center + 0.5) * shrink));
                sum += weights[t];
            }

            for (var t = 0; t < count; t++) Values[i * Taps + t] = (int)(0.5 + weights[t] / sum * (1 << Bits));
            (Starts[i], Counts[i]) = (first, count);
        }

        var unsafeTarget = Array.FindIndex(Starts, first => (first + Taps) * 3 + 4 > Source * 3);
        SafeTarget = unsafeTarget < 0 ? target : unsafeTarget;
    }

    public int Source { get; }

    public int Target { get; }

    /// <summary>Weights kept per output, zeros included.</summary>
    public int Taps { get; }

    /// <summary>First source position of each output.</summary>
    public int[] Starts { get; }

    /// <summary>Weights of each output that count.</summary>
    public int[] Counts { get; }

    /// <summary>Row-major [Target,Taps].</summary>
    public int[] Values { get; }

    /// <summary>Outputs below this may read <see cref="Taps"/> pixels and four bytes within the source row.</summary>
    public int SafeTarget { get; }

    public ReadOnlySpan<int> Of(int output) => Values.AsSpan(output * Taps, Counts[output]);
}
