using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>The two passes of the resize on packed RGB bytes. 128-bit vectors: a pixel fills three lanes.</summary>
internal static class ResizeKernels
{
    private const int Half = 1 << (ResizeWeights.Bits - 1);
    private const int RowsAtOnce = 4;

    /// <summary>
    /// Shrinks or stretches rows sideways. <paramref name="target"/> has rows of <paramref name="pitch"/> bytes, at
    /// least one byte more than the pixels need, because a pixel is stored as four bytes.
    /// </summary>
    public static void Horizontal(ReadOnlySpan<byte> source, int rows, ResizeWeights weights, Span<byte> target,
        int pitch)
    {
        var stride = weights.Source * 3;
        var vectors = Vector128.IsHardwareAccelerated ? weights.SafeTarget : 0;
        var y = 0;
        for (; y + RowsAtOnce <= rows && vectors > 0; y += RowsAtOnce)
            FourRows(source.Slice(y * stride, RowsAtOnce * stride), stride, weights, vectors,
                target.Slice(y * pitch, RowsAtOnce * pitch), pitch);
        for (var row = 0; row < rows; row++)
            ScalarRow(
                source.Slice(row * stride, stride), weights, row < y ? vectors : 0, target.Slice(row * pitch, pitch));
    }

    /// <summary>One output row of the vertical pass: target[i] = Σ weight × row[i], rounded and clamped.</summary>
    public static void Vertical(ReadOnlySpan<byte> source, int pitch, int firstRow, ReadOnlySpan<int> weights,
        Span<byte> target)
    {
        var i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i + Vector128<byte>.Count <= target.Length; i += Vector128<byte>.Count)
            {
                Vector128<int> a, b, c, d;
                a = b = c = d = Vector128.Create(Half);
                for (var t = 0; t < weights.Length; t++)
                {
                    var weight = Vector128.Create(weights[t]);
                    var (low, high) = Vector128.Widen(
                        Vector128.Create(source.Slice((firstRow + t) * pitch + i, Vector128<byte>.Count)));
                    var (p, q) = Vector128.Widen(low.AsInt16());
                    var (r, s) = Vector128.Widen(high.AsInt16());
                    a += p * weight;
                    b += q * weight;
                    c += r * weight;
                    d += s * weight;
                }

                var (first, second) = (Vector128.Narrow(Clip(a), Clip(b)), Vector128.Narrow(Clip(c), Clip(d)));
                Vector128.Narrow(first.AsUInt16(), second.AsUInt16()).CopyTo(target[i..]);
            }
        }

        for (; i < target.Length; i++)
        {
            var sum = Half;
            for (var t = 0; t < weights.Length; t++) sum += source[(firstRow + t) * pitch + i] * weights[t];
            target[i] = Clip(sum);
        }
    }

    private static void ScalarRow(ReadOnlySpan<byte> source, ResizeWeights weights, int from, Span<byte> target)
    {
        for (var x = from; x < weights.Target; x++)
        {
            var pixel = source[(weights.Starts[x] * 3)..];
            int r = Half, g = Half, b = Half;
            var values = weights.Of(x);
            for (var t = 0; t < values.Length; t++)
            {
                r += pixel[t * 3] * values[t];
                g += pixel[t * 3 + 1] * values[t];
                b += pixel[t * 3 + 2] * values[t];
            }

            (target[x * 3], target[x * 3 + 1], target[x * 3 + 2]) = (Clip(r), Clip(g), Clip(b));
        }
    }

    // Four rows share each weight, and four sums in flight hide the latency of the multiplication. Bounds: SafeTarget
    // keeps every 16-byte read inside its source row, the pitch every 4-byte write inside its target row.
    private static void FourRows(ReadOnlySpan<byte> source, int stride, ResizeWeights weights, int outputs,
        Span<byte> target, int pitch)
    {
        ref var from = ref MemoryMarshal.GetReference(source);
        ref var to = ref MemoryMarshal.GetReference(target);
        for (var x = 0; x < outputs; x++)
        {
            Vector128<int> a, b, c, d;
            a = b = c = d = Vector128.Create(Half);
            ref var pixel = ref Unsafe.Add(ref from, weights.Starts[x] * 3);
            var values = weights.Values.AsSpan(x * weights.Taps,
                (weights.Counts[x] + ResizeWeights.TapStep - 1) / ResizeWeights.TapStep * ResizeWeights.TapStep);
            for (var t = 0; t < values.Length; t += ResizeWeights.TapStep)
            {
                var four = Vector128.Create(values.Slice(t, ResizeWeights.TapStep));
                ref var taps = ref Unsafe.Add(ref pixel, t * 3);
                a = Accumulate(a, Vector128.LoadUnsafe(ref taps), four);
                b = Accumulate(b, Vector128.LoadUnsafe(ref taps, (nuint)stride), four);
                c = Accumulate(c, Vector128.LoadUnsafe(ref taps, (nuint)(stride * 2)), four);
                d = Accumulate(d, Vector128.LoadUnsafe(ref taps, (nuint)(stride * 3)), four);
            }

            Store(ref Unsafe.Add(ref to, x * 3), a);
            Store(ref Unsafe.Add(ref to, x * 3 + pitch), b);
            Store(ref Unsafe.Add(ref to, x * 3 + pitch * 2), c);
            Store(ref Unsafe.Add(ref to, x * 3 + pitch * 3), d);
        }
    }

    // Four RGB pixels lie in twelve bytes; each is spread over three int lanes (index 255: zero) and weighted.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Accumulate(Vector128<int> sum, Vector128<byte> pixels, Vector128<int> weights)
    {
        const byte no = 255;
        sum += Vector128.Shuffle(pixels, Vector128.Create(0, no, no, no, 1, no, no, no, 2, no, no, no, no, no, no, no))
            .AsInt32() * Vector128.Shuffle(weights, Vector128.Create(0, 0, 0, 0));
        sum += Vector128.Shuffle(pixels, Vector128.Create(3, no, no, no, 4, no, no, no, 5, no, no, no, no, no, no, no))
            .AsInt32() * Vector128.Shuffle(weights, Vector128.Create(1, 1, 1, 1));
        sum += Vector128.Shuffle(pixels, Vector128.Create(6, no, no, no, 7, no, no, no, 8, no, no, no, no, no, no, no))
            .AsInt32() * Vector128.Shuffle(weights, Vector128.Create(2, 2, 2, 2));
        sum += Vector128.Shuffle(pixels, Vector128.Create(9, no, no, no, 10, no, no, no, 11, no, no, no, no, no, no,
            no)).AsInt32() * Vector128.Shuffle(weights, Vector128.Create(3, 3, 3, 3));
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref byte to, Vector128<int> sum)
    {
        const byte no = 255;
        var packed = Vector128.Shuffle(Clip(sum)
            .AsByte(), Vector128.Create(0, 4, 8, no, no, no, no, no, no, no, no, no, no, no, no, no));
        Unsafe.WriteUnaligned(ref to, packed.AsUInt32().ToScalar());
    }

    private static Vector128<int> Clip(Vector128<int> sum) =>
        Vector128.Min(sum >> ResizeWeights.Bits, Vector128.Create(255));

    // The weights are not negative; their rounded sum may exceed one by a little.
    private static byte Clip(int sum) => (byte)Math.Min(sum >> ResizeWeights.Bits, 255);
}
