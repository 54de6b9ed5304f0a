using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Methods;

public sealed class QueryMatcherTests
{
    // Row i of the current queries is row s_order[i] of the previous ones, longer and a little turned.
    private static readonly int[] s_order = [2, 0, 3, 1];

    [Fact]
    public void Align_Aligned_PutsEachQueryWhereItsLikeWas()
    {
        var (previous, current) = Shuffled();
        var (matched, sources) = (new float[16], new int[4]);

        new QueryMatcher(4, 4, MatchingRule.Aligned).Align(previous, current, matched, sources);

        Assert.Equal([1, 3, 0, 2], sources);
        for (var i = 0; i < 4; i++) Assert.Equal(Row(current, sources[i]), Row(matched, i));
    }

    [Fact]
    public void Align_Dvis_GathersByTheInversePermutation()
    {
        var (previous, current) = Shuffled();
        var (matched, sources) = (new float[16], new int[4]);

        new QueryMatcher(4, 4, MatchingRule.Dvis).Align(previous, current, matched, sources);

        Assert.Equal(s_order, sources);
        for (var i = 0; i < 4; i++) Assert.Equal(Row(current, s_order[i]), Row(matched, i));
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(float.NaN)]
    public void Align_QueriesThatSayNothing_KeepTheirOrder(float value)
    {
        float[] current = [.. Enumerable.Repeat(value, 12)];
        var matched = new float[12];

        new QueryMatcher(3, 4, MatchingRule.Aligned).Align(new float[12], current, matched, new int[3]);

        Assert.Equal(current, matched);
    }

    /// <summary>The official tracker's own permutations, over two windows with resume.</summary>
    [Fact]
    public void Align_DvisOnTheOfficialAnswers_RepeatsEveryFrame()
    {
        using var npz = new Npz(Shared.Path("data/cases/dvis/tracker_synth.npz"));
        var frames = Frames(npz);
        long[] indices = [.. npz.Integers("indices.0").Values, .. npz.Integers("indices.1").Values];
        var matcher = new QueryMatcher(100, 256, MatchingRule.Dvis);
        var last = frames[0];
        var different = 0;
        for (var t = 1; t < frames.Length; t++)
        {
            var matched = new float[100 * 256];
            matcher.Align(last, frames[t], matched, new int[100]);

            var expected = Gather(frames[t], i => (int)indices[t * 100 + i]);
            Assert.Equal(expected, matched);
            var aligned = new float[100 * 256];
            new QueryMatcher(100, 256, MatchingRule.Aligned).Align(last, frames[t], aligned, new int[100]);
            if (!aligned.AsSpan().SequenceEqual(matched)) different++;
            last = matched;
            if (t is 3 or 6) Assert.Equal(npz.Floats($"state.last_frame_embeds.{t / 4}").Values, matched);
        }

        Assert.Equal(6, different); // no frame of this case hides which of the two rules was taken
    }

    /// <summary>The same embeddings, matched the right way round:
    /// the permutations they were made with come out.</summary>
    [Fact]
    public void Align_AlignedOnTheOfficialEmbeddings_UndoesTheirPermutations()
    {
        using var npz = new Npz(Shared.Path("data/cases/dvis/tracker_synth.npz"));
        var (frames, perms) = (Frames(npz), npz.Integers("perms").Values);
        var matcher = new QueryMatcher(100, 256, MatchingRule.Aligned);
        var last = frames[0];
        for (var t = 1; t < frames.Length; t++)
        {
            var matched = new float[100 * 256];
            matcher.Align(last, frames[t], matched, new int[100]);

            var expected = Gather(frames[t], i => Array.IndexOf(perms, perms[i], t * 100, 100) - t * 100);
            Assert.Equal(expected, matched);
            last = matched;
        }
    }

    /// <summary>[1,C,T,Q] to T arrays [Q,C].</summary>
    private static float[][] Frames(Npz npz)
    {
        var all = npz.Floats("frame_embeds");
        var (channels, frames, queries) = (all.Shape[1], all.Shape[2], all.Shape[3]);
        var result = new float[frames][];
        for (var t = 0; t < frames; t++)
        {
            result[t] = new float[queries * channels];
            for (var q = 0; q < queries; q++)
                for (var c = 0; c < channels; c++)
                    result[t][q * channels + c] = all.Values[(c * frames + t) * queries + q];
        }

        return result;
    }

    private static float[] Gather(float[] rows, Func<int, int> from)
        => [.. Enumerable.Range(0, 100).SelectMany(i => rows.AsSpan(from(i) * 256, 256).ToArray())];

    private static (float[] Previous, float[] Current) Shuffled()
    {
        float[] previous = [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4];
        var current = new float[16];
        for (var i = 0; i < 4; i++)
            for (var c = 0; c < 4; c++) current[i * 4 + c] = previous[s_order[i] * 4 + c] * 5 + 0.1f * (i + c);
        return (previous, current);
    }

    private static float[] Row(float[] rows, int i) => rows[(i * 4)..(i * 4 + 4)];
}
