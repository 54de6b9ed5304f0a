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
                for (var c = 0; c < channels; c++) sum += (double)embeds[wanted[k] * channels + c] * features[c * cells + i];
                Assert.Equal(sum, logits[k * cells + i], 1e-4);
            }
        }

        Assert.Equal([0f, 0f, 0f], logits[^3..]);

        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
    }

    [Fact]
    public void Logits_NothingWanted_WritesNothing()
    {
        var logits = new float[4];

        MaskKernels.Logits(new float[8], new float[8], 2, [], logits);

        Assert.Equal(new float[4], logits);
    }
}
