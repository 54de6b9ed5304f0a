using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class SemanticMixtureTests(ITestOutputHelper output)
{
    private const int Queries = 12, Classes = 9;

    // Of single precision, in sums of a dozen products.
    private const double Rounding = 1e-4;

    /// <summary>From sure classes, as a trained network gives them, to nearly uniform ones; below 0: every query thinks
    /// that there is nothing, and every product is small.</summary>
    public static TheoryData<MaskGeometry, double> Cases
    {
        get
        {
            var cases = new TheoryData<MaskGeometry, double>();
            foreach (var geometry in ProbabilityUpsamplerTests.Geometries)
                foreach (var sureness in (double[])[12, 3, 0.1, -2]) cases.Add(geometry.Data, sureness);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Label_AnyFrame_IsTheOfficialClassOrOneLessThanTheSlackBelow(MaskGeometry geometry, double sureness)
    {
        var random = new Random(11);
        var mixture = new SemanticMixture(ProbabilityUpsamplerTests.Stride, Queries, Classes);
        var cells = geometry.GridWidth * geometry.GridHeight;
        var (same, all) = (0, 0);
        for (var trial = 0; trial < 3; trial++)
        {
            var logits = PanopticCompetitionTests.Masks(random, Queries, geometry);
            var probabilities = new float[Queries * (Classes + 1)];
            for (var q = 0; q < Queries; q++)
            {
                float[] row = [.. Enumerable.Range(0, Classes + 1)
                    .Select(_ => (float)(random.NextDouble() * Math.Abs(sureness)))];
                if (sureness < 0) row[Classes] = 8;
                MaskKernels.Softmax(row, probabilities.AsSpan(q * (Classes + 1), Classes + 1));
            }

            var masks = Enumerable.Range(0, Queries)
                .Select(q =>
                    PlainUpsampling.Probabilities(logits.AsSpan(q * cells, cells), geometry,
                        ProbabilityUpsamplerTests.Stride)).ToArray();
            var labels = new ushort[geometry.MaskWidth * geometry.MaskHeight];
            float[] used =
                [.. mixture.Weigh(probabilities).ToArray().SelectMany(q => logits[(q * cells)..((q + 1) * cells)])];

            mixture.Label(used, geometry, labels);

            for (var i = 0; i < labels.Length; i++)
            {
                var sums = new double[Classes];
                for (var q = 0; q < Queries; q++)
                    for (var c = 0; c < Classes; c++) sums[c] += probabilities[q * (Classes + 1) + c] * masks[q][i];
                Assert.InRange(sums[labels[i] - 1], sums.Max() - SemanticMixture.Slack - Rounding, double.MaxValue);
                same += sums[labels[i] - 1] == sums.Max() ? 1 : 0;
                all++;
            }
        }

        output.WriteLine($"{same} of {all} pixels as the official rule has them");
        if (sureness > 0) Assert.InRange(same, all * 0.99, all);
    }

    [Fact]
    public void Weigh_NoObjects_AsksForNoMasks()
    {
        var mixture = new SemanticMixture(4, 2, 1);
        var labels = new ushort[16];

        Assert.Empty(mixture.Weigh([0, 1, 0, 1]).ToArray());
        mixture.Label([], new MaskGeometry(16, 16, 4, 4, 4, 4, 4), labels);

        Assert.All(labels, l => Assert.Equal(1, l));
    }
}
