using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class PanopticCompetitionTests
{
    // Closer than this, rounding decides.
    private const double Tie = 1e-4;

    [Theory]
    [MemberData(nameof(ProbabilityUpsamplerTests.Geometries), MemberType = typeof(ProbabilityUpsamplerTests))]
    public void Add_OneFrame_IsTheOfficialRule(MaskGeometry geometry)
    {
        var random = new Random(5);
        var competition = new PanopticCompetition(ProbabilityUpsamplerTests.Stride);
        for (var trial = 0; trial < 5; trial++)
        {
            var claims = 1 + random.Next(6);
            var (logits, cells) = (Masks(random, claims + 1, geometry), geometry.GridWidth * geometry.GridHeight);
            // The claims stand in another order than their masks, and one mask is nobody's.
            int[] rows = [.. Enumerable.Range(0, claims + 1)];
            random.Shuffle(rows);
            rows = rows[..claims];
            float[] scores = [.. Enumerable.Range(0, claims).Select(_ => 0.8f + 0.2f * random.NextSingle())];
            var masks = rows.Select(r =>
                PlainUpsampling.Probabilities(logits.AsSpan(r * cells, cells), geometry,
                    ProbabilityUpsamplerTests.Stride)).ToArray();
            var labels = new ushort[geometry.MaskWidth * geometry.MaskHeight];

            competition.Begin(claims);
            competition.Add(logits, rows, scores, geometry, labels);

            var (won, shown, ties) = (new int[claims], new int[claims], 0);
            for (var i = 0; i < labels.Length; i++)
            {
                var products = masks.Select((m, k) => m[i] * scores[k]).ToArray();
                var winner = Array.IndexOf(products, products.Max());
                if (products.Order().TakeLast(2).ToArray() is [var second, var first] && first - second < Tie
                    || Math.Abs(masks[winner][i] - 0.5) < Tie)
                {
                    ties++;
                    continue;
                }

                won[winner]++;
                if (masks[winner][i] >= 0.5) shown[winner]++;
                Assert.Equal(masks[winner][i] >= 0.5 ? winner + 1 : 0, labels[i]);
            }

            Assert.InRange(ties, 0, labels.Length / 20 + 1);
            for (var k = 0; k < claims; k++)
            {
                var own = masks[k].Count(m => m >= 0.5);
                var share = own == 0 ? 0 : (double)won[k] / own;
                if (Math.Abs(share - 0.8) < 0.05 || ties > 0 && Math.Min(own, shown[k]) <= ties) continue;
                Assert.Equal(own > 0 && shown[k] > 0 && share >= 0.8, competition.Survives(k, 0.8));
            }
        }
    }

    [Fact]
    public void Survives_AreasOverAClip_AreJudgedTogether()
    {
        var geometry = new MaskGeometry(16, 16, 4, 4, 4, 4, 4);
        var competition = new PanopticCompetition(4);
        float[] everywhere = [.. Enumerable.Repeat(8f, 16)], nowhere = [.. Enumerable.Repeat(-8f, 16)];
        var labels = new ushort[16];

        // Claim 0 loses the first frame to a better one and has the next four to itself: four fifths of its own mask.
        competition.Begin(2);
        competition.Add([.. everywhere, .. everywhere], [0, 1], [0.9f, 0.95f], geometry, labels);
        Assert.All(labels, l => Assert.Equal(2, l));
        Assert.False(competition.Survives(0, 0.8));
        for (var i = 0; i < 4; i++)
            competition.Add([.. everywhere, .. nowhere], [0, 1], [0.9f, 0.95f], geometry, labels);

        Assert.All(labels, l => Assert.Equal(1, l));
        Assert.True(competition.Survives(0, 0.8));
        Assert.False(competition.Survives(0, 0.81));
        Assert.True(competition.Survives(1, 1));
        competition.Begin(2);
        Assert.False(competition.Survives(0, 0));
    }

    [Fact]
    public void Add_NobodyClaims_LeavesTheFrameEmpty()
    {
        var labels = new ushort[16];
        labels.AsSpan().Fill(7);
        var competition = new PanopticCompetition(4);

        competition.Begin(0);
        competition.Add([], [], [], new MaskGeometry(16, 16, 4, 4, 4, 4, 4), labels);

        Assert.All(labels, l => Assert.Equal(0, l));
    }

    internal static float[] Masks(Random random, int count, MaskGeometry geometry)
        => [.. Enumerable.Range(0, count).SelectMany(_ =>
            Noise.Logits(random, geometry.GridWidth, geometry.GridHeight, random.NextDouble() * 4 - 2))];
}
