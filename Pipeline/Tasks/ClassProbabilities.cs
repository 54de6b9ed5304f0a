using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Class probabilities of the rule of DVIS inference.</summary>
public static class ClassProbabilities
{
    /// <summary>
    /// Softmax of each row of <paramref name="logits"/>; each class but "no object" is then raised to the softmax of
    /// <paramref name="tracker"/> where that is higher, so a row need not sum to one.
    /// </summary>
    /// <param name="logits">Shape [Q,K+1], means over frames, of the refiner, or of the tracker without one.</param>
    /// <param name="tracker">Shape [Q,K+1], means over the same frames; empty without a refiner.</param>
    /// <param name="width">K+1.</param>
    /// <param name="probabilities">Shape [Q,K+1].</param>
    public static void Write(ReadOnlySpan<float> logits, ReadOnlySpan<float> tracker, int width,
        Span<float> probabilities)
    {
        for (var start = 0; start < logits.Length; start += width)
            MaskKernels.Softmax(logits.Slice(start, width), probabilities.Slice(start, width));
        if (tracker.IsEmpty) return;
        var online = new float[width];
        for (var start = 0; start < logits.Length; start += width)
        {
            MaskKernels.Softmax(tracker.Slice(start, width), online);
            var classes = probabilities.Slice(start, width - 1);
            TensorPrimitives.Max(classes, online.AsSpan(0, width - 1), classes);
        }
    }
}
