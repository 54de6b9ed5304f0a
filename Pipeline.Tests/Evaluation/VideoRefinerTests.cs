using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>The refiner in steps, against the whole video in one piece.</summary>
public sealed class VideoRefinerTests
{
    private const int Queries = 5, Channels = 4, Layers = 3, Heads = 2, Classes = 2;

    private static readonly ModelManifest s_manifest = FakeDvis.Manifest with
    {
        Queries = Queries,
        HiddenSize = Channels,
        MaskChannels = Channels,
        RefinerLayers = Layers,
        RefinerHeads = Heads,
        Classes = [.. FakeDvis.Manifest.Classes.Take(Classes)],
    };

    [Theory]
    [InlineData(1, 4, 4, 100, 4)]
    [InlineData(7, 3, 2, 12, 2)]
    [InlineData(23, 5, 7, 35, 4)]
    [InlineData(23, 64, 5, 1, 1)]
    [InlineData(24, 8, 8, 1000, 100)]
    [InlineData(61, 20, 10, 200, 16)]
    public void Refine_InBlocks_SaysWhatOnePieceSays(int frames, int asking, int asked, int pairs, int rest)
    {
        var steps = Steps();

        var whole =
            Refine(steps, s_manifest, frames, new RefinerBlocks(frames, frames, frames * frames * Queries, frames));
        var blocks = Refine(steps, s_manifest, frames, new RefinerBlocks(asking, asked, pairs, rest));

        AssertNear(whole, blocks, 1e-4f);
        // Not trivially so: frames differ, and so do layers.
        Assert.True(frames == 1 || whole.MaskEmbeds.Distinct().Count() > frames * Queries);
    }

    [Fact]
    public void Refine_AVideoTenTimesAsLong_TakesNoMoreMemory()
    {
        var steps = Steps();
        var blocks = new RefinerBlocks(16, 8, 128, 8);
        using var shorter = new TensorPool();
        using var longer = new TensorPool();

        Refine(steps, s_manifest, 64, blocks, shorter);
        Refine(steps, s_manifest, 640, blocks, longer);

        Assert.Equal(shorter.AllocatedBytes, longer.AllocatedBytes);
        Assert.Equal(0, longer.Outstanding);
    }

    [Fact]
    public void Refine_Stopped_Throws()
    {
        var steps = Steps();
        using var stop = new CancellationTokenSource();
        stop.Cancel();

        Assert.Throws<OperationCanceledException>(() =>
            Refine(steps, s_manifest, 3, RefinerBlocks.Default, stop: stop.Token));
    }

    public static MatrixTheoryData<string, int> Shipped => new(ShippedModels.Folders, [1, 2, 37]);

    [Theory, MemberData(nameof(Shipped))]
    public void Refine_AShippedModel_SaysWhatItsRefinerSaysAtOnce(string model, int frames)
    {
        var folder = ModelFolder.Open(Repo.Path(model));
        if (!folder.Manifest.HasRefinerSteps) Assert.Skip($"{model} has no refiner in steps.");
        using var models = ModelGraphs.Load(folder, "fp32", TinyDvis.Runtime, ["segmenter", "tracker", "refiner",
            .. MethodContract.Dvis.GraphsOf(GraphUse.WholeVideo)], 2, NullLogger.Instance);
        var m = models.Manifest;
        var (instance, memory) = Inputs(frames, m);
        using var logits = new Tensor(m.Queries, m.ClassCount + 1);
        using var maskEmbeds = new Tensor(frames, m.Queries, m.MaskChannels);
        models[MethodContract.Refiner].Run([instance, memory], [logits, maskEmbeds]);

        AssertNear(new Answer(logits.Span.ToArray(), maskEmbeds.Span.ToArray()),
            Refine(new RefinerSteps(models), m, frames, new RefinerBlocks(16, 10, 500, 12)), 1e-3f);
        instance.Dispose();
        memory.Dispose();
    }

    [Fact]
    public void Merge_PartsOfASoftmax_IsTheWhole()
    {
        float[] scores = [3, -90, 95, 94.5f, 0, 95.5f], values = [1, 2, 3, 4, 5, 6];

        float[] mean = [values[0]], weight = [scores[0]];
        for (var i = 1; i < scores.Length; i++)
            WeightedMeans.Merge(mean, weight, values.AsSpan(i, 1), scores.AsSpan(i, 1));

        var shares = scores.Select(s => Math.Exp(s - 95.0)).ToArray();
        Assert.Equal(shares.Zip(values, (share, value) => share * value).Sum() / shares.Sum(), mean[0], 1e-5);
        Assert.Equal(Math.Log(shares.Sum()) + 95, weight[0], 1e-5);
    }

    private static Answer Refine(RefinerSteps steps, ModelManifest m, int frames, RefinerBlocks blocks,
        TensorPool? pool = null, CancellationToken stop = default)
    {
        using var own = pool is null ? new TensorPool() : null;
        using var sut = new VideoRefiner(steps, m, pool ?? own!, blocks);
        var (instance, memory) = Inputs(frames, m);
        var size = m.Queries * m.HiddenSize;
        for (var t = 0; t < frames; t++)
            sut.Add(t, instance.Span.Slice(t * size, size), memory.Span.Slice(t * size, size));
        instance.Dispose();
        memory.Dispose();
        var row = m.Queries * m.MaskChannels;
        var maskEmbeds = new float[frames * row];
        var logits = sut.Refine(frames, (t, values) => values.CopyTo(maskEmbeds.AsSpan(t * row, row)), stop);
        return new Answer(logits, maskEmbeds);
    }

    private static (Tensor Instance, Tensor Memory) Inputs(int frames, ModelManifest m)
    {
        var random = new Random(7);
        var (instance, memory) =
            (new Tensor(frames, m.Queries, m.HiddenSize), new Tensor(frames, m.Queries, m.HiddenSize));
        foreach (var tensor in (Tensor[])[instance, memory])
            for (var i = 0; i < tensor.Length; i++) tensor.Span[i] = random.NextSingle() * 4 - 2;
        return (instance, memory);
    }

    private static void AssertNear(Answer expected, Answer found, float tolerance)
    {
        Assert.Equal(expected.Logits.Length, found.Logits.Length);
        Assert.Equal(expected.MaskEmbeds.Length, found.MaskEmbeds.Length);
        foreach (var (e, f) in expected.Logits.Concat(expected.MaskEmbeds).Zip(found.Logits.Concat(found.MaskEmbeds)))
            Assert.Equal(e, f, tolerance);
    }

    /// <summary>The contract in plain loops, with made-up weights: softmax attention,
    /// neighbours three frames to either side, a softmax over frames.</summary>
    private static RefinerSteps Steps() =>
        new(new ScriptedModel(Attend), new ScriptedModel(Finish), new ScriptedModel(Conclude));

    private static void Attend(Tensor[] inputs, Tensor[] outputs)
    {
        var (layer, embeds, block, mixed, weight) = (inputs[0].Span[0], inputs[1], inputs[2], outputs[0], outputs[1]);
        var (frames, queries, keys, width) =
            ((int)embeds.Shape[0], (int)embeds.Shape[1], (int)block.Shape[0], Channels / Heads);
        for (var t = 0; t < frames; t++)
            for (var q = 0; q < queries; q++)
                for (var h = 0; h < Heads; h++)
                {
                    int At(int frame) => (frame * queries + q) * Channels + h * width;
                    var scores = new double[keys];
                    for (var s = 0; s < keys; s++)
                        for (var c = 0; c < width; c++)
                            scores[s] += (layer + 1) * embeds.Span[At(t) + c] * block.Span[At(s) + c];
                    var sum = scores.Sum(Math.Exp);
                    for (var c = 0; c < width; c++)
                    {
                        var value = 0.0;
                        for (var s = 0; s < keys; s++) value += Math.Exp(scores[s]) / sum * block.Span[At(s) + c];
                        mixed.Span[At(t) + c] = (float)value;
                    }

                    weight.Span[(t * queries + q) * Heads + h] = (float)Math.Log(sum);
                }
    }

    private static void Finish(Tensor[] inputs, Tensor[] outputs)
    {
        var (layer, embeds, mixed, memory, refined) = (inputs[0].Span[0], inputs[1], inputs[2], inputs[3], outputs[0]);
        var (frames, size) = ((int)embeds.Shape[0], Queries * Channels);
        for (var t = 0; t < frames; t++)
            for (var i = 0; i < size; i++)
            {
                var sum = layer + memory.Span[t * size + i];
                for (var d = -3; d <= 3; d++)
                {
                    var at = Math.Clamp(t + d, 0, frames - 1) * size + i;
                    sum += 0.05f * (d + 5) * (embeds.Span[at] - 2 * mixed.Span[at]);
                }

                refined.Span[t * size + i] = MathF.Sin(sum);
            }
    }

    private static void Conclude(Tensor[] inputs, Tensor[] outputs)
    {
        var (embeds, logits, weight, maskEmbeds) = (inputs[0], outputs[0], outputs[1], outputs[2]);
        var frames = (int)embeds.Shape[0];
        embeds.Span.CopyTo(maskEmbeds.Span);
        for (var q = 0; q < Queries; q++)
        {
            var shares = Enumerable.Range(0, frames).Select(t => Math.Exp(embeds.Span[(t * Queries + q) * Channels]))
                .ToArray();
            for (var k = 0; k <= Classes; k++)
                logits.Span[q * (Classes + 1) + k] = (float)(shares.Select((share, t) =>
                    share * embeds.Span[(t * Queries + q) * Channels + k + 1]).Sum() / shares.Sum());
            weight.Span[q] = (float)Math.Log(shares.Sum());
        }
    }

    private sealed record Answer(float[] Logits, float[] MaskEmbeds);
}
