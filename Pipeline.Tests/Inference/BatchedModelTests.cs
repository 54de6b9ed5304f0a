using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

/// <summary>Calls of several cameras on one graph.</summary>
public sealed class BatchedModelTests : IDisposable
{
    private readonly TensorPool _pool = new();
    private readonly List<int> _ran = [];
    private readonly ManualResetEventSlim _go = new(), _first = new();
    private readonly FakeModel _graph;

    public BatchedModelTests() => _graph = new FakeModel("graph", Double);

    /// <summary>Frames of clips of GenVIS: the shapes must be equal for a batch.</summary>
    [Fact]
    public async Task Run_CallsWhileTheGraphRuns_AreOneBatchPerShape()
    {
        using var model = new BatchedModel(_graph, 4, _pool, Ran);
        Task<float[]>[] calls = [Start(model, 1, 2)];
        Assert.True(_first.Wait(TimeSpan.FromSeconds(30)));
        calls = [.. calls, Start(model, 2, 2), Start(model, 3, 3), Start(model, 4, 2), Start(model, 5, 3)];
        await WaitingAsync(model, 4);
        _go.Set();
        var answers = await Task.WhenAll(calls);
        Assert.Equal([[2, 2], [4, 4], [6, 6, 6], [8, 8], [10, 10, 10]], answers);
        Assert.Equal([1, 2, 2], _ran);
        Assert.Equal(3, _graph.Runs);
        Assert.Equal(0, _pool.Outstanding);
    }

    [Fact]
    public async Task Run_MoreCallsThanABatch_TakeSeveralRuns()
    {
        using var model = new BatchedModel(_graph, 2, _pool, Ran);
        Task<float[]>[] calls = [Start(model, 1, 2)];
        Assert.True(_first.Wait(TimeSpan.FromSeconds(30)));
        calls = [.. calls, .. Enumerable.Range(2, 5).Select(value => Start(model, value, 2))];
        await WaitingAsync(model, 5);
        _go.Set();
        await Task.WhenAll(calls);
        Assert.Equal([1, 1, 2, 2], _ran.Order());
        Assert.Equal(1, _ran[0]);
    }

    /// <summary>One answer per call: a failure reaches those of its run, and the graph goes on.</summary>
    [Fact]
    public async Task Run_GraphFails_EveryCallOfTheBatchHasTheReason()
    {
        using var model = new BatchedModel(_graph, 4, _pool, Ran);
        var first = Start(model, 1, 2);
        Assert.True(_first.Wait(TimeSpan.FromSeconds(30)));
        Task<float[]>[] calls = [Start(model, 2, 2), Start(model, 3, 2)];
        await WaitingAsync(model, 2);
        _graph.FailFrom = 2;
        _go.Set();
        Assert.Equal((2, 2), Pair(await first));
        foreach (var call in calls)
            Assert.Contains("as it was told to", (await Assert.ThrowsAsync<ModelException>(() => call)).Message,
                StringComparison.Ordinal);
        _graph.FailFrom = int.MaxValue;
        Assert.Equal((8, 8), Pair(await Start(model, 4, 2)));
        Assert.Equal(0, _pool.Outstanding);
    }

    [Fact]
    public async Task Run_FailsInAnyOtherWay_NoCallOfTheBatchHasAnAnswer()
    {
        var runs = 0;
        var graph = new FakeModel("graph", (inputs, outputs) =>
        {
            if (++runs == 2) throw new InvalidOperationException("broken");
            Double(inputs, outputs);
        });
        using var model = new BatchedModel(graph, 4, _pool, Ran);
        var first = Start(model, 1, 2);
        Assert.True(_first.Wait(TimeSpan.FromSeconds(30)));
        Task<float[]>[] calls = [Start(model, 2, 2), Start(model, 3, 2)];
        await WaitingAsync(model, 2);
        _go.Set();
        Assert.Equal((2, 2), Pair(await first));
        var failures = await Task.WhenAll(calls.Select(call => Assert.ThrowsAnyAsync<Exception>(() => call)));
        Assert.Single(failures.OfType<InvalidOperationException>());
        Assert.Equal("graph: the graph failed: broken", Assert.Single(failures.OfType<ModelException>()).Message);
        Assert.Equal((8, 8), Pair(await Start(model, 4, 2)));
    }

    [Fact]
    public void Share_ALoadedModel_AnswersAsAlone()
    {
        using var temp = new TempFolder();
        var options = new ModelOptions { Path = TinyGenVis.Write(temp.Root) };
        using var alone = ModelGraphs.Load(options, new RuntimeOptions(), new CollectingLogger());
        using var shared = ModelGraphs.Load(options, new RuntimeOptions(), new CollectingLogger())
            .Share(4, _pool, (name, size) => Ran(size));
        Assert.IsType<BatchedModel>(shared[MethodContract.Clip]);
        Assert.IsNotType<BatchedModel>(shared.Segmenter);
        Assert.Equal((alone.Clip, alone.Revises), (shared.Clip, shared.Revises));
        Assert.True(alone.FirstQuery.Span.SequenceEqual(shared.FirstQuery.Span));
        var clips = Enumerable.Range(0, 40).Select(i => Clip(alone, i)).ToArray();
        var found = new float[clips.Length][];
        Parallel.For(0, clips.Length, new() { MaxDegreeOfParallelism = 8 },
            i => found[i] = Answer(shared[MethodContract.Clip], clips[i]));
        for (var i = 0; i < clips.Length; i++)
            Assert.Equal(Answer(alone[MethodContract.Clip], clips[i]), found[i]);
        Assert.Equal(clips.Length, _ran.Sum());
        foreach (var tensor in clips.SelectMany(clip => clip)) tensor.Dispose();
    }

    public void Dispose()
    {
        _go.Dispose();
        _first.Dispose();
        _pool.Dispose();
    }

    private static Tensor[] Clip(ModelGraphs models, int seed)
    {
        var (manifest, random) = (models.Manifest, new Random(seed));
        Tensor[] clip =
        [
            new(1, 1 + seed % 3, manifest.FrameQueries, manifest.HiddenSize),
            new(1, manifest.Queries, manifest.HiddenSize),
        ];
        foreach (var tensor in clip)
            for (var i = 0; i < tensor.Length; i++) tensor.Span[i] = random.NextSingle();
        return clip;
    }

    private static float[] Answer(IModel clip, Tensor[] inputs)
    {
        var outputs = clip.Outputs.Select(o => new Tensor([1, .. o.Shape[1..]])).ToArray();
        clip.Run(inputs, outputs);
        var answer = outputs.SelectMany(o => o.Span.ToArray()).ToArray();
        foreach (var tensor in outputs) tensor.Dispose();
        return answer;
    }

    private static (float, float) Pair(float[] answer) => (answer[0], answer[1]);

    /// <summary>Until so many calls wait behind the first run.</summary>
    private static Task WaitingAsync(BatchedModel model, int calls)
        => Eventually.TrueAsync(() => model.Waiting == calls, $"{calls} calls wait");

    private static Task<float[]> Start(BatchedModel model, float value, int length)
        => Task.Factory.StartNew(
            () =>
            {
                using Tensor input = new(1, length), output = new(1, length);
                input.Span.Fill(value);
                model.Run([input], [output]);
                return output.Span.ToArray();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void Double(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        _first.Set();
        _go.Wait();
        for (var i = 0; i < inputs[0].Length; i++) outputs[0].Span[i] = 2 * inputs[0].Span[i];
    }

    private void Ran(int calls)
    {
        lock (_ran) _ran.Add(calls);
    }
}
