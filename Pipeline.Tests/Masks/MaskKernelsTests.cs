using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class MaskKernelsTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 7)]
    [InlineData(48, 511)]
    [InlineData(48, 512)]
    [InlineData(5, 513)]
    [InlineData(8, 2048)]
    public void Logits_AnySize_EqualsTheMatrixProduct(int channels, int cells)
    {
        var random = new Random(3);
        var embeds = Values(6 * channels);
        var features = Values(channels * cells);
        int[] wanted = [4, 0, 5];
        var logits = new float[wanted.Length * cells + 3];

        MaskKernels.Logits(embeds, features, channels, wanted, logits);

        for (var k = 0; k < wanted.Length; k++)
        {
            for (var i = 0; i < cells; i++)
            {
                double sum = 0;
                for (var c = 0; c < channels; c++)
                    sum += (double)embeds[wanted[k] * channels + c] * features[c * cells + i];
                Assert.Equal(sum, logits[k * cells + i], 1e-4);
            }
        }

        Assert.Equal([0f, 0f, 0f], logits[^3..]);

        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
    }

    /// <summary>Every product and every sum is rounded, channel by channel: no other bits on another machine.</summary>
    [Theory]
    [InlineData(7, 40)]
    [InlineData(33, 129)]
    public void Logits_AnyVectorWidth_HasTheBitsOfTheScalarTwin(int channels, int cells)
    {
        var random = new Random(4);
        float[] embeds = [.. Enumerable.Range(0, channels).Select(_ => random.NextSingle() * 2 - 1)];
        float[] features = [.. Enumerable.Range(0, channels * cells).Select(_ => random.NextSingle() * 2 - 1)];
        var logits = new float[cells];

        MaskKernels.Logits(embeds, features, channels, [0], logits);

        for (var i = 0; i < cells; i++)
        {
            var sum = 0f;
            for (var c = 0; c < channels; c++)
            {
                var product = embeds[c] * features[c * cells + i];
                sum += product;
            }

            Assert.Equal(sum, logits[i]);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(131)]
    public void Mix_SparseRows_EqualsTheMatrixProduct(int width)
    {
        var random = new Random(6);
        float[] rows = [.. Enumerable.Range(0, 5 * width).Select(_ => random.NextSingle())];
        var targets = new float[3 * width];
        targets.AsSpan().Fill(9);

        MaskKernels.Mix([0, 2, 2, 5], [4, 1, 0, 1, 2], [0.5f, 2, 1, -1, 3], rows, width, .., targets);

        for (var x = 0; x < width; x++)
        {
            Assert.Equal(0.5f * At(4, x) + 2 * At(1, x), targets[x], 1e-5f);
            Assert.Equal(0, targets[width + x]);
            Assert.Equal(At(0, x) - At(1, x) + 3 * At(2, x), targets[2 * width + x], 1e-5f);
        }

        targets.AsSpan().Fill(9);
        MaskKernels.Mix([0, 2, 2, 5], [4, 1, 0, 1, 2], [0.5f, 2, 1, -1, 3], rows, width, (width / 2).., targets);
        Assert.All(targets[..(width / 2)], t => Assert.Equal(9, t));
        Assert.Equal(0.5f * At(4, width - 1) + 2 * At(1, width - 1), targets[width - 1], 1e-5f);

        float At(int row, int x) => rows[row * width + x];
    }

    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(37)]
    public void Compete_TheLargerProductWins_AndTheFirstOfEquals(int length)
    {
        var random = new Random(8);
        var masks = Enumerable.Range(0, 3)
            .Select(_ => Enumerable.Range(0, length).Select(_ => random.Next(5) / 4f).ToArray()).ToArray();
        float[] scores = [0.5f, 1, 1];
        var (best, bestMask, labels) =
            (Enumerable.Repeat(float.NegativeInfinity, length).ToArray(), new float[length], new int[length]);

        for (var k = 0; k < 3; k++)
            Assert.Equal(masks[k].Count(m => m >= 0.5f),
                MaskKernels.Compete(masks[k], scores[k], k, 0.5f, best, bestMask, labels));

        for (var i = 0; i < length; i++)
        {
            var products = masks.Select((m, k) => m[i] * scores[k]).ToArray();
            Assert.Equal(Array.IndexOf(products, products.Max()), labels[i]);
            Assert.Equal(masks[labels[i]][i], bestMask[i]);
        }
    }

    [Fact]
    public void Logits_NothingWanted_WritesNothing()
    {
        var logits = new float[4];

        MaskKernels.Logits(new float[8], new float[8], 2, [], logits);

        Assert.Equal(new float[4], logits);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(500)]
    [InlineData(-500)]
    public void Softmax_LogitsOfAnySize_SumToOne(float offset)
    {
        var probabilities = new float[3];

        MaskKernels.Softmax([offset + 1, offset + 3, offset], probabilities);

        double[] weights = [Math.E, Math.Exp(3), 1];
        for (var i = 0; i < 3; i++) Assert.Equal(weights[i] / weights.Sum(), probabilities[i], 1e-6);
    }

    [Fact]
    public void Softmax_UsualLogits_GiveEqualScoresInEveryPlace()
    {
        var (first, second) = (new float[3], new float[3]);

        MaskKernels.Softmax([6, 0, 0], first);
        MaskKernels.Softmax([0, 6, 0], second);

        Assert.Equal(first[0], second[1]);
    }
}
