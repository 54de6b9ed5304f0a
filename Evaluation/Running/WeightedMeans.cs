using System.Numerics.Tensors;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// Means put together from parts: rows of values, each row with the logarithm of its weight. A softmax over everything
/// is the mean of the softmaxes over its parts, weighted by their sums; so attention to many frames comes from
/// attention to some at a time, up to rounding.
/// </summary>
public static class WeightedMeans
{
    /// <summary>Takes a part into the means so far.</summary>
    /// <param name="values">Shape [rows,width].</param>
    /// <param name="weights">Logarithms, shape [rows].</param>
    public static void Merge(Span<float> values, Span<float> weights, ReadOnlySpan<float> partValues,
        ReadOnlySpan<float> partWeights)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(partValues.Length, values.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(partWeights.Length, weights.Length);
        var width = values.Length / weights.Length;
        for (var row = 0; row < weights.Length; row++)
        {
            var largest = MathF.Max(weights[row], partWeights[row]);
            var (before, now) = (MathF.Exp(weights[row] - largest), MathF.Exp(partWeights[row] - largest));
            var mean = values.Slice(row * width, width);
            TensorPrimitives.Lerp(mean, partValues.Slice(row * width, width), now / (before + now), mean);
            weights[row] = largest + MathF.Log(before + now);
        }
    }
}
