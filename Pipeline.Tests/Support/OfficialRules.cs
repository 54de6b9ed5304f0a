using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>The official post-processing written the plainest way, whole arrays and doubles:
/// what the fast one is held to.</summary>
internal static class OfficialRules
{
    /// <summary>Bilinear, align_corners = False, from [height,width] to [toHeight,toWidth].</summary>
    public static double[] Resize(double[] values, int width, int height, int toWidth, int toHeight)
    {
        var resized = new double[toWidth * toHeight];
        for (var y = 0; y < toHeight; y++)
        {
            for (var x = 0; x < toWidth; x++)
            {
                var (x0, x1, fx) = Axis(x, width, toWidth);
                var (y0, y1, fy) = Axis(y, height, toHeight);
                resized[y * toWidth + x] =
                    (1 - fy) * ((1 - fx) * values[y0 * width + x0] + fx * values[y0 * width + x1])
                    + fy * ((1 - fx) * values[y1 * width + x0] + fx * values[y1 * width + x1]);
            }
        }

        return resized;

        static (int Low, int High, double Fraction) Axis(int at, int size, int toSize)
        {
            var source = Math.Max(0, (at + 0.5) * size / toSize - 0.5);
            var low = Math.Min((int)source, size - 1);
            return (low, Math.Min(low + 1, size - 1), source - low);
        }
    }

    /// <summary>Mask logits to the padded input, cut, perhaps through a sigmoid,
    /// to the frame: [SourceHeight,SourceWidth].</summary>
    public static double[] Upsample(ReadOnlySpan<float> logits, InputGeometry g, bool sigmoid)
    {
        var padded = Resize([.. logits.ToArray().Select(l => (double)l)], g.MaskWidth, g.MaskHeight, g.PaddedWidth,
            g.PaddedHeight);
        var cut = new double[g.ResizedWidth * g.ResizedHeight];
        for (var i = 0; i < cut.Length; i++)
        {
            cut[i] = padded[i / g.ResizedWidth * g.PaddedWidth + i % g.ResizedWidth];
            if (sigmoid) cut[i] = 1 / (1 + Math.Exp(-cut[i]));
        }

        return Resize(cut, g.ResizedWidth, g.ResizedHeight, g.SourceWidth, g.SourceHeight);
    }

    /// <summary>Segments (id, query, class) and id maps by frame, from mask logits [frame][query][cells].</summary>
    public static (List<(int Id, int Query, int ClassId)> Segments, List<int[]> Maps) Panoptic(
        float[] probabilities, IReadOnlyList<ClassLabel> classes, float[][][] logits, InputGeometry g)
    {
        var (width, pixels) = (classes.Count + 1, g.SourceWidth * g.SourceHeight);
        var kept = new List<(int Query, int ClassId, float Score)>();
        for (var q = 0; q < probabilities.Length / width; q++)
        {
            var row = probabilities[(q * width)..((q + 1) * width)];
            var best = Array.IndexOf(row, row.Max());
            if (best != classes.Count && row[best] > 0.8f) kept.Add((q, best, row[best]));
        }

        var masks = kept.Select(k => logits.Select(frame => Upsample(frame[k.Query], g, sigmoid: true)).ToArray())
            .ToArray();
        var winners = logits.Select((_, t) =>
            Enumerable.Range(0, pixels).Select(i => kept.Count == 0 ? -1 : Enumerable.Range(0, kept.Count).MaxBy(k =>
                kept[k].Score * masks[k][t][i])).ToArray()).ToArray();
        var (segments, maps) =
            (new List<(int Id, int Query, int ClassId)>(), logits.Select(_ => new int[pixels]).ToList());
        for (var k = 0; k < kept.Count; k++)
        {
            var won = winners.Sum(frame => frame.Count(w => w == k));
            var original = masks[k].Sum(frame => frame.Count(m => m >= 0.5));
            var both = winners.Select((frame, t) => frame.Select((w, i) => w == k && masks[k][t][i] >= 0.5).ToArray())
                .ToArray();
            if (won == 0 || original == 0 || both.All(frame => frame.All(b => !b)) || (double)won / original < 0.8)
                continue;
            var (query, classId, _) = kept[k];
            var id = segments.Count + 1;
            if (classes[classId].Kind == "stuff" && segments.FindIndex(s => s.ClassId == classId) is >= 0 and var same)
                id = segments[same].Id;
            else segments.Add((id, query, classId));
            for (var t = 0; t < maps.Count; t++)
                for (var i = 0; i < pixels; i++)
                    if (both[t][i]) maps[t][i] = id;
        }

        return (segments, maps);
    }

    /// <summary>The class sums of every pixel, [K,SourceHeight,SourceWidth], from mask logits [query][cells].</summary>
    public static double[] Semantic(float[] probabilities, int classes, float[][] logits, InputGeometry g)
    {
        var pixels = g.SourceWidth * g.SourceHeight;
        var sums = new double[classes * pixels];
        for (var q = 0; q < logits.Length; q++)
        {
            var mask = Upsample(logits[q], g, sigmoid: true);
            for (var c = 0; c < classes; c++)
                for (var i = 0; i < pixels; i++) sums[c * pixels + i] += probabilities[q * (classes + 1) + c] * mask[i];
        }

        return sums;
    }
}
