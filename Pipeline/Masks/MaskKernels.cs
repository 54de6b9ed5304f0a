using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// Hot loops of masks. Vectors are as wide as the machine's; in <see cref="Logits"/> every product and sum is rounded,
/// so that every width gives the same bits.
/// </summary>
public static class MaskKernels
{
    // Four vectors of sums stay in registers while all channels pass.
    private static readonly int Block = 4 * Vector<float>.Count;

    /// <summary>Mask logits of the wanted queries: mask_embeds · mask_features (Mask2Former, section 3.1).</summary>
    /// <param name="maskEmbeds">Shape [Q,Cm].</param>
    /// <param name="maskFeatures">Shape [Cm,cells].</param>
    /// <param name="wanted">Rows of <paramref name="maskEmbeds"/> to compute.</param>
    /// <param name="logits">Shape [wanted,cells].</param>
    public static void Logits(ReadOnlySpan<float> maskEmbeds, ReadOnlySpan<float> maskFeatures, int channels,
        ReadOnlySpan<int> wanted, Span<float> logits)
    {
        var cells = maskFeatures.Length / channels;
        for (var start = 0; start < cells; start += Block)
        {
            var length = Math.Min(Block, cells - start);
            for (var k = 0; k < wanted.Length; k++)
                WeightedSum(maskEmbeds.Slice(wanted[k] * channels, channels), maskFeatures[start..], cells,
                    logits.Slice(k * cells + start, length));
        }
    }

    /// <summary>Sparse product: target[r] = Σ weights[i] rows[columns[i]], i from starts[r] to starts[r+1].</summary>
    /// <param name="starts">Length targets + 1; the end of a range is exclusive.</param>
    /// <param name="columns">Row of each weight in <paramref name="rows"/>.</param>
    /// <param name="rows">Shape [any,width].</param>
    /// <param name="targets">Shape [targets,width].</param>
    /// <param name="range">The part of the width to compute.</param>
    public static void Mix(
        ReadOnlySpan<int> starts, ReadOnlySpan<int> columns, ReadOnlySpan<float> weights, ReadOnlySpan<float> rows,
        int width, Range range, Span<float> targets)
    {
        var (from, count) = range.GetOffsetAndLength(width);
        for (var start = from; start < from + count; start += Block)
        {
            var length = Math.Min(Block, from + count - start);
            for (var r = 0; r < starts.Length - 1; r++)
            {
                var pairs = starts[r]..starts[r + 1];
                WeightedSum(columns[pairs], weights[pairs], rows[start..], width,
                    targets.Slice(r * width + start, length));
            }
        }
    }

    /// <summary>
    /// Softmax over one row of class logits; the library's alone overflows from 88 on. Logits are shifted only when
    /// they must be: shifted ones have other last bits, which may depend on the place in the row and decide between
    /// equal scores.
    /// </summary>
    public static void Softmax(ReadOnlySpan<float> logits, Span<float> probabilities)
    {
        var largest = TensorPrimitives.Max(logits);
        if (MathF.Abs(largest) < 64)
        {
            TensorPrimitives.SoftMax(logits, probabilities);
            return;
        }

        TensorPrimitives.Subtract(logits, largest, probabilities);
        TensorPrimitives.SoftMax<float>(probabilities, probabilities);
    }

    /// <summary>
    /// Compares a claim's row with the best so far: where mask · score is larger, it becomes the best, with its label
    /// and mask value; the first of equals stays.
    /// </summary>
    /// <returns>Number of places with a mask of at least <paramref name="threshold"/>.</returns>
    public static int Compete(ReadOnlySpan<float> mask, float score, int label, float threshold, Span<float> best,
        Span<float> bestMask, Span<int> labels)
    {
        var masks = MemoryMarshal.Cast<float, Vector<float>>(mask);
        var bests = MemoryMarshal.Cast<float, Vector<float>>(best);
        var bestMasks = MemoryMarshal.Cast<float, Vector<float>>(bestMask);
        var labelled = MemoryMarshal.Cast<int, Vector<int>>(labels);
        var (scores, name, limit, counts) =
            (new Vector<float>(score), new Vector<int>(label), new Vector<float>(threshold), Vector<int>.Zero);
        for (var v = 0; v < masks.Length; v++)
        {
            var value = masks[v];
            var product = value * scores;
            var wins = Vector.GreaterThan(product, bests[v]);
            bests[v] = Vector.ConditionalSelect(wins, product, bests[v]);
            bestMasks[v] = Vector.ConditionalSelect(wins, value, bestMasks[v]);
            labelled[v] = Vector.ConditionalSelect(wins, name, labelled[v]);
            counts -= Vector.GreaterThanOrEqual(value, limit); // true is -1 in each lane
        }

        var count = Vector.Sum(counts);
        for (var i = masks.Length * Vector<float>.Count; i < mask.Length; i++)
        {
            if (mask[i] >= threshold) count++;
            var product = mask[i] * score;
            if (!(product > best[i])) continue;
            (best[i], bestMask[i], labels[i]) = (product, mask[i], label);
        }

        return count;
    }

    /// <summary>As <see cref="Compete"/>, for sums that are compared as they are.</summary>
    public static void Largest(ReadOnlySpan<float> value, int label, Span<float> best, Span<int> labels)
    {
        var values = MemoryMarshal.Cast<float, Vector<float>>(value);
        var bests = MemoryMarshal.Cast<float, Vector<float>>(best);
        var labelled = MemoryMarshal.Cast<int, Vector<int>>(labels);
        var name = new Vector<int>(label);
        for (var v = 0; v < values.Length; v++)
        {
            var wins = Vector.GreaterThan(values[v], bests[v]);
            bests[v] = Vector.ConditionalSelect(wins, values[v], bests[v]);
            labelled[v] = Vector.ConditionalSelect(wins, name, labelled[v]);
        }

        for (var i = values.Length * Vector<float>.Count; i < value.Length; i++)
            if (value[i] > best[i]) (best[i], labels[i]) = (value[i], label);
    }

    // Dense: weight i belongs to row i. Sums stay in locals: by reference they would live in memory.
    private static void WeightedSum(ReadOnlySpan<float> weights, ReadOnlySpan<float> rows, int stride,
        Span<float> target)
    {
        if (target.Length < Block)
        {
            target.Clear();
            for (var i = 0; i < weights.Length; i++)
                TensorPrimitives.MultiplyAdd(rows.Slice(i * stride, target.Length), weights[i], target, target);
            return;
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(rows.Length, (weights.Length - 1) * stride + Block);
        var (a, b, c, d) = (Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero);
        ref var first = ref MemoryMarshal.GetReference(rows);
        var n = (nuint)Vector<float>.Count;
        for (var i = 0; i < weights.Length; i++)
        {
            var (w, at) = (new Vector<float>(weights[i]), (nuint)i * (nuint)stride);
            a = Vector.LoadUnsafe(ref first, at) * w + a;
            b = Vector.LoadUnsafe(ref first, at + n) * w + b;
            c = Vector.LoadUnsafe(ref first, at + 2 * n) * w + c;
            d = Vector.LoadUnsafe(ref first, at + 3 * n) * w + d;
        }

        Store(a, b, c, d, target);
    }

    private static void WeightedSum(ReadOnlySpan<int> columns, ReadOnlySpan<float> weights, ReadOnlySpan<float> rows,
        int stride, Span<float> target)
    {
        if (target.Length < Block)
        {
            target.Clear();
            for (var i = 0; i < weights.Length; i++)
                TensorPrimitives.MultiplyAdd(rows.Slice(columns[i] * stride, target.Length), weights[i], target,
                    target);
            return;
        }

        var (a, b, c, d) = (Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero);
        var n = (nuint)Vector<float>.Count;
        for (var i = 0; i < weights.Length; i++)
        {
            ref var first = ref MemoryMarshal.GetReference(rows.Slice(columns[i] * stride, Block));
            var w = new Vector<float>(weights[i]);
            a = Vector.FusedMultiplyAdd(Vector.LoadUnsafe(ref first), w, a);
            b = Vector.FusedMultiplyAdd(Vector.LoadUnsafe(ref first, n), w, b);
            c = Vector.FusedMultiplyAdd(Vector.LoadUnsafe(ref first, 2 * n), w, c);
            d = Vector.FusedMultiplyAdd(Vector.LoadUnsafe(ref first, 3 * n), w, d);
        }

        Store(a, b, c, d, target);
    }

    private static void Store(Vector<float> a, Vector<float> b, Vector<float> c, Vector<float> d, Span<float> target)
    {
        ref var first = ref MemoryMarshal.GetReference(target);
        var n = (nuint)Vector<float>.Count;
        a.StoreUnsafe(ref first);
        b.StoreUnsafe(ref first, n);
        c.StoreUnsafe(ref first, 2 * n);
        d.StoreUnsafe(ref first, 3 * n);
    }
}
