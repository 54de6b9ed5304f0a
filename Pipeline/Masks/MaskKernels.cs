using System.Numerics.Tensors;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>The hot loops of masks.</summary>
public static class MaskKernels
{
    // One block of every channel's row (256 x 512 floats) stays in the second-level cache while all queries pass over it.
    private const int Block = 512;

    /// <summary>Mask logits of the wanted queries: mask_embeds · mask_features (Mask2Former, section 3.1).</summary>
    /// <param name="maskEmbeds">Shape [Q,Cm].</param>
    /// <param name="maskFeatures">Shape [Cm,cells].</param>
    /// <param name="wanted">Rows of <paramref name="maskEmbeds"/> to compute.</param>
    /// <param name="logits">Shape [wanted,cells].</param>
    public static void Logits(ReadOnlySpan<float> maskEmbeds, ReadOnlySpan<float> maskFeatures, int channels, ReadOnlySpan<int> wanted, Span<float> logits)
    {
        var cells = maskFeatures.Length / channels;
        for (var start = 0; start < cells; start += Block)
        {
            var length = Math.Min(Block, cells - start);
            for (var k = 0; k < wanted.Length; k++)
            {
                var embed = maskEmbeds.Slice(wanted[k] * channels, channels);
                var row = logits.Slice(k * cells + start, length);
                TensorPrimitives.Multiply(maskFeatures.Slice(start, length), embed[0], row);
                for (var c = 1; c < channels; c++)
                    TensorPrimitives.MultiplyAdd(maskFeatures.Slice(c * cells + start, length), embed[c], row, row);
            }
        }
    }

    /// <summary>Softmax over one row of class logits.</summary>
    public static void Softmax(ReadOnlySpan<float> logits, Span<float> probabilities) => TensorPrimitives.SoftMax(logits, probabilities);
}
