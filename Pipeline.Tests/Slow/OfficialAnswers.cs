using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Slow;

/// <summary>Comparison with the dumps of the official code.</summary>
internal static class OfficialAnswers
{
    /// <summary>Intersection over union of whole tubes.</summary>
    /// <param name="masks">Shape [n,T,H,W/8]: a bit per pixel, most significant first.</param>
    public static double IoU(NpyArray<byte> masks, int instance, IReadOnlyList<RunLengthMask?> found)
    {
        var (frames, height, stride) = (masks.Shape[1], masks.Shape[2], masks.Shape[3]);
        Assert.Equal(frames, found.Count);
        long both = 0, either = 0;
        for (var t = 0; t < frames; t++)
        {
            var mask = Bitmap.Decode(found[t]!);
            for (var y = 0; y < height; y++)
            {
                for (var x = 0; x < found[t]!.Width; x++)
                {
                    var at = ((instance * frames + t) * height + y) * stride + x / 8;
                    var wanted = (masks.Values[at] >> (7 - x % 8) & 1) == 1;
                    if (wanted && mask[x, y]) both++;
                    if (wanted || mask[x, y]) either++;
                }
            }
        }

        return either == 0 ? 1 : (double)both / either;
    }

    public static void AssertNear(ReadOnlySpan<float> expected, ReadOnlySpan<float> found, float tolerance)
    {
        Assert.Equal(expected.Length, found.Length);
        var worst = 0f;
        for (var i = 0; i < expected.Length; i++) worst = Math.Max(worst, MathF.Abs(expected[i] - found[i]));
        Assert.True(worst <= tolerance, $"off by {worst}, allowed {tolerance}");
        Tell($"off by {worst:0.0e+0} at most");
    }

    public static void Tell(FormattableString line) =>
        TestContext.Current.TestOutputHelper!.WriteLine(FormattableString.Invariant(line));
}
