using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>The official rules, held to the plainest writing of them.</summary>
public sealed class PostProcessingTests
{
    private const int Stride = 4;
    private static readonly PanopticRule s_rule = new();

    // Frame, resized, padded, grid: larger, smaller and as large as the input; padded on both sides, and not at all.
    public static TheoryData<InputGeometry> Geometries => new(
        new InputGeometry(80, 48, 40, 24, 64, 32, 16, 8),
        new InputGeometry(101, 67, 48, 32, 64, 32, 16, 8),
        new InputGeometry(40, 24, 40, 24, 64, 32, 16, 8),
        new InputGeometry(64, 32, 64, 32, 64, 32, 16, 8),
        new InputGeometry(23, 31, 47, 63, 64, 64, 16, 16));

    [Theory]
    [MemberData(nameof(Geometries))]
    public void Instances_AnyGeometry_AreTheBestPairsWithTheirMasksCutAtZero(InputGeometry g)
    {
        var random = new Random(2);
        var probabilities = Some(random, 6 * 4);
        var frames = Frames(random, g, frames: 3, queries: 6);

        var result = Assert.IsType<InstanceResult>(
            Run(new InstancePostProcessor(probabilities, classes: 3, topK: 5, g, Stride), frames));

        var best = Enumerable.Range(0, 18)
            .Select(i => (Query: i / 3, Class: i % 3, Score: probabilities[i / 3 * 4 + i % 3]))
            .OrderByDescending(p => p.Score).Take(5);
        Assert.Equal(best, result.Tubes.Select(t => (t.Query, t.ClassId, t.Score)));
        foreach (var tube in result.Tubes)
        {
            for (var t = 0; t < frames.Length; t++)
            {
                var expected = OfficialRules.Upsample(frames[t][tube.Query], g, sigmoid: false);
                var mask = Bitmap.Decode(tube.Masks[t]);
                for (var i = 0; i < expected.Length; i++)
                    if (Math.Abs(expected[i]) > 1e-5)
                        Assert.Equal(expected[i] > 0, mask[i % g.SourceWidth, i / g.SourceWidth]);
            }
        }
    }

    /// <summary>Scores of GenVIS: the mean probability of the mask's pixels in the resized frame, over all frames.
    /// </summary>
    [Theory]
    [MemberData(nameof(Geometries))]
    public void Instances_WithMaskQuality_HaveItAsAFactor(InputGeometry g)
    {
        var random = new Random(4);
        var probabilities = Some(random, 6 * 4);
        var frames = Frames(random, g, frames: 3, queries: 6);
        foreach (var frame in frames) frame[2] = [.. frame[2].Select(v => -1 - Math.Abs(v))];
        var resized = g with { SourceWidth = g.ResizedWidth, SourceHeight = g.ResizedHeight };

        var result = Assert.IsType<InstanceResult>(Run(
            new InstancePostProcessor(probabilities, classes: 3, topK: 18, g, Stride, maskQuality: true), frames));

        Assert.Equal(result.Tubes.OrderByDescending(t => t.Score), result.Tubes);
        foreach (var tube in result.Tubes)
        {
            var inside = frames.SelectMany(f => OfficialRules.Upsample(f[tube.Query], resized, sigmoid: false))
                .Where(v => v > 0).Select(v => 1 / (1 + Math.Exp(-v))).ToArray();
            var expected = probabilities[tube.Query * 4 + tube.ClassId] * inside.Sum() / (inside.Length + 1e-6);
            Assert.Equal(expected, tube.Score, 1e-4);
            if (tube.Query == 2) Assert.Equal(0, tube.Score);
        }
    }

    [Fact]
    public void Instances_OneQueryWithTwoLikelyClasses_StandsThereTwice()
    {
        var g = new InputGeometry(8, 8, 8, 8, 32, 32, 8, 8);
        var processor =
            new InstancePostProcessor([0.1f, 0.2f, 0.7f, 0.45f, 0.46f, 0.09f], classes: 2, topK: 2, g, Stride);

        var result = Assert.IsType<InstanceResult>(Run(processor, [[new float[64], [.. Enumerable.Repeat(1f, 64)]]]));

        Assert.Equal([1], processor.Wanted);
        Assert.Equal([(1, 1, 0.46f), (1, 0, 0.45f)], result.Tubes.Select(t => (t.Query, t.ClassId, t.Score)));
        Assert.All(result.Tubes, tube => Assert.Equal([0, 64], Assert.Single(tube.Masks).Counts));
    }

    [Fact]
    public void Instances_WithAThreshold_EveryPairAboveItCounts()
    {
        var g = new InputGeometry(8, 8, 8, 8, 32, 32, 8, 8);
        var processor = new InstancePostProcessor(
            [0.05f, 0.2f, 0.75f, 0.45f, 0.06f, 0.49f], classes: 2, topK: 1, g, Stride, above: 0.05f);

        var result = Assert.IsType<InstanceResult>(Run(processor, [[new float[64], new float[64]]]));

        Assert.Equal(
            [(1, 0, 0.45f), (0, 1, 0.2f), (1, 1, 0.06f)], result.Tubes.Select(t => (t.Query, t.ClassId, t.Score)));
    }

    [Fact]
    public void Instances_MoreAskedThanThereAre_AreAllAndEmptyMasksAreMasks()
    {
        var g = new InputGeometry(8, 8, 8, 8, 32, 32, 8, 8);

        var result = Assert.IsType<InstanceResult>(
            Run(new InstancePostProcessor([0.1f, 0.9f], classes: 1, topK: 20, g, Stride), [[new float[64]]]));

        Assert.Equal([64], Assert.Single(Assert.Single(result.Tubes).Masks).Counts);
    }

    [Theory]
    [MemberData(nameof(Geometries))]
    public void Panoptic_AnyGeometry_FollowsTheWholeRule(InputGeometry g)
    {
        // Two things, two kinds of stuff; classes 2 and 3 come up more than once.
        ClassLabel[] classes =
            [.. Enumerable.Range(0, 4).Select(i => new ClassLabel(i, $"c{i}", i < 2 ? "thing" : "stuff", "#000000"))];
        var random = new Random(3);
        var (stayed, fell) = (0, 0);
        for (var trial = 0; trial < 8; trial++)
        {
            var probabilities = Some(random, 9 * 5);
            for (var q = 0; q < 9; q++) probabilities[q * 5 + random.Next(5)] = 0.75f + random.NextSingle() * 0.25f;
            var frames = Blobs(random, g, frames: 3, queries: 9);
            var (segments, maps) = OfficialRules.Panoptic(probabilities, classes, frames, g);

            var processor = new PanopticPostProcessor(probabilities, classes, s_rule, g, Stride);
            var result = Assert.IsType<PanopticResult>(Run(processor, frames));

            Assert.Equal(segments, result.Segments.Select(s => (s.Id, s.Query, s.ClassId)));
            Assert.All(result.Segments, s => Assert.Equal(s.ClassId < 2, s.IsThing));
            for (var t = 0; t < maps.Count; t++) Assert.InRange(Differences(maps[t], Picture(result.Frames[t])), 0, 1);
            (stayed, fell) = (stayed + segments.Count, fell + processor.Wanted.Count - segments.Count);
        }

        Assert.True(stayed > 0 && fell > 0, $"{stayed} segments stayed and {fell} fell: the rule was not tried.");
    }

    [Fact]
    public void Panoptic_HiddenInOneFrame_StaysWhenTheWholeVideoShowsEnoughOfIt()
    {
        // The second query wins its cells in three frames and loses all of them to the first in the fourth:
        // 3/4 would be too little, 9/10 is not.
        var g = new InputGeometry(8, 8, 8, 8, 32, 32, 8, 8);
        ClassLabel[] classes = [new ClassLabel(0, "a", "thing", "#000000")];
        var (open, hidden) = (new float[][] { Filled(-9), Filled(9) }, new float[][] { Filled(12), Filled(9) });

        var some = Assert.IsType<PanopticResult>(Run(
            new PanopticPostProcessor([0.99f, 0, 0.9f, 0], classes, s_rule, g, Stride),
            [open, open, open, hidden]));
        var most = Assert.IsType<PanopticResult>(Run(
            new PanopticPostProcessor([0.99f, 0, 0.9f, 0], classes, s_rule, g, Stride),
            [.. Enumerable.Repeat(open, 9), hidden]));
        var lenient = Assert.IsType<PanopticResult>(Run(
            new PanopticPostProcessor([0.99f, 0, 0.9f, 0], classes, s_rule with { Overlap = 0.7 }, g, Stride),
            [open, open, open, hidden]));

        Assert.Equal([0], some.Segments.Select(s => s.Query));
        Assert.Equal([0, 1], most.Segments.Select(s => s.Query));
        Assert.Equal([0, 1], lenient.Segments.Select(s => s.Query));
        Assert.All(Picture(most.Frames[0]), id => Assert.Equal(2, id));
        Assert.All(Picture(most.Frames[9]), id => Assert.Equal(1, id));

        static float[] Filled(float logit) => [.. Enumerable.Repeat(logit, 64)];
    }

    [Fact]
    public void Panoptic_NobodyIsSure_IsVoid()
    {
        var g = new InputGeometry(8, 8, 8, 8, 32, 32, 8, 8);
        var processor = new PanopticPostProcessor([0.8f, 0.2f, 0.1f, 0.9f],
            [new ClassLabel(0, "a", "thing", "#000000")], s_rule, g, Stride);

        var result = Assert.IsType<PanopticResult>(
            Run(processor, [[[.. Enumerable.Repeat(9f, 64)], [.. Enumerable.Repeat(9f, 64)]]]));

        Assert.Empty(processor.Wanted);
        Assert.Empty(result.Segments);
        Assert.All(Picture(Assert.Single(result.Frames)), id => Assert.Equal(0, id));
    }

    [Fact]
    public void Panoptic_ObjectScore_IsTheRules()
    {
        var g = new InputGeometry(8, 8, 8, 8, 32, 32, 8, 8);
        ClassLabel[] classes = [new ClassLabel(0, "a", "thing", "#000000")];
        float[] probabilities = [0.8f, 0.2f, 0.6f, 0.4f, 0.3f, 0.2f];

        (double, int[])[] rules = [(0.8, []), (0.6, [0]), (0.5, [0, 1]), (0, [0, 1, 2])];
        foreach (var (score, expected) in rules)
            Assert.Equal(expected, new PanopticPostProcessor(
                probabilities, classes, s_rule with { ObjectScore = score }, g, Stride).Wanted);
    }

    [Theory]
    [MemberData(nameof(Geometries))]
    public void Semantic_AnyGeometry_IsTheLargestSum(InputGeometry g)
    {
        var random = new Random(4);
        foreach (var classes in new[] { 1, 3, 4, 6 })
        {
            var probabilities = Some(random, 7 * (classes + 1));
            var frames = Frames(random, g, frames: 2, queries: 7);

            var result = Assert.IsType<SemanticResult>(
                Run(new SemanticPostProcessor(probabilities, classes, g, Stride), frames));

            for (var t = 0; t < frames.Length; t++)
            {
                var sums = OfficialRules.Semantic(probabilities, classes, frames[t], g);
                var (labels, pixels) = (Picture(result.Frames[t]), g.SourceWidth * g.SourceHeight);
                for (var i = 0; i < pixels; i++)
                    Assert.InRange(Enumerable.Range(0, classes)
                        .Max(c => sums[c * pixels + i]) - sums[labels[i] * pixels + i], 0, 1e-4);
            }
        }
    }

    [Fact]
    public void Next_AnyLength_IsWhereTheSignChanges()
    {
        foreach (var length in new[] { 1, 3, 8, 16, 17, 33, 70 })
        {
            for (var at = 0; at <= length; at++)
            {
                float[] values = [.. Enumerable.Range(0, length).Select(i => i < at ? -1f + i % 2 : 2f)];
                Assert.Equal(at, InstancePostProcessor.Next(values, 0, positive: true));
                for (var i = 0; i < length; i++) values[i] = i < at ? 1 : -0f;
                Assert.Equal(at, InstancePostProcessor.Next(values, 0, positive: false));
                Assert.Equal(length, InstancePostProcessor.Next(values, at, positive: true));
            }
        }
    }

    private static VideoResult Run(VideoPostProcessor processor, float[][][] frames)
    {
        foreach (var frame in frames) processor.Add([.. processor.Wanted.SelectMany(q => frame[q])]);
        return processor.Complete();
    }

    private static float[] Some(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 0.7f)];

    private static float[][][] Frames(Random random, InputGeometry g, int frames, int queries)
        => [.. Enumerable.Range(0, frames)
            .Select(_ => Enumerable.Range(0, queries).Select(_ =>
                Noise.Logits(random, g.MaskWidth, g.MaskHeight, random.NextDouble() * 4 - 2)).ToArray())];

    /// <summary>A disc for each query, which moves a little; some hide others.</summary>
    private static float[][][] Blobs(Random random, InputGeometry g, int frames, int queries)
    {
        var discs = Enumerable.Range(0, queries)
            .Select(_ =>
                (X: random.NextDouble() * g.MaskWidth, Y: random.NextDouble() * g.MaskHeight, R: 1
                    + random.NextDouble() * 3)).ToArray();
        return [.. Enumerable.Range(0, frames).Select(t => discs.Select(d => Disc(d.X + 0.3 * t, d.Y, d.R)).ToArray())];

        float[] Disc(double x, double y, double r) => [.. Enumerable.Range(0, g.MaskWidth * g.MaskHeight)
            .Select(i =>
                (float)(2 * (r - Math.Sqrt(Math.Pow(i % g.MaskWidth - x, 2) + Math.Pow(i / g.MaskWidth - y, 2)))))];
    }

    private static int[] Picture(ValueRuns runs)
    {
        var pixels = new int[runs.Width * runs.Height];
        runs.CopyTo(pixels);
        return pixels;
    }

    // A pixel at which two products are equal to the last bit may fall either way.
    private static int Differences(int[] a, int[] b) => a.Zip(b, (x, y) => x == y ? 0 : 1).Sum();
}
