using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources.Options;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Benchmarks;

/// <summary>
/// Processor time per frame of a model's method behind its segmenter, and the part of it that its graphs take, with
/// the service's own classes on one thread. The frames are segmented once and followed in each round.
/// </summary>
internal sealed class MethodCosts : IDisposable
{
    private readonly TensorPool _pool = new();
    private readonly ModelGraphs _loaded, _models;
    private readonly RefinerOptions _refiner;
    private readonly TimedModel[] _graphs;
    private readonly List<SegmentedFrame> _frames = [];

    public MethodCosts(string path, ModelMode mode, RefinerOptions refiner)
    {
        _refiner = refiner;
        _loaded = ModelGraphs.Load(new ModelOptions { Path = path, Mode = mode, Precision = "fp32", Refiner = refiner },
            new RuntimeOptions { Threads = 1 }, NullLogger.Instance);
        var timed = _loaded.Manifest.Method.Graphs.Where(g => _loaded.Find(g.Name) is not null)
            .ToDictionary(g => g.Name, g => new TimedModel(_loaded[g.Name], () => Environment.CpuUsage.TotalTime));
        _models = new ModelGraphs(_loaded.Manifest, timed.ToDictionary(g => g.Key, IModel (g) => g.Value))
        {
            Clip = _loaded.Clip,
            Revises = _loaded.Revises,
            FirstQuery = _loaded.FirstQuery,
        };
        _graphs = [.. timed.Where(g => g.Key != MethodContract.Segmenter).Select(g => g.Value)];
    }

    /// <param name="frames">The caller's, of one size.</param>
    public async Task SegmentAsync(IEnumerable<Frame> frames)
    {
        await using var batcher = new SegmenterBatcher(_models.Segmenter, _models.Manifest, new BatchOptions(), _pool,
            new PipelineMetrics(), TimeProvider.System);
        using var segmenter = batcher.Open();
        foreach (var frame in frames) _frames.Add(await segmenter.SegmentAsync(frame));
    }

    /// <summary>Milliseconds per frame: the whole method, and its graphs alone.</summary>
    public (double Method, double Graphs) Run()
    {
        using var method = VideoMethods.Create(_models, _pool, _refiner, TimeProvider.System, maxDelay: null);
        using var window = new ClipWindow<QueryFrame>(method.Clip?.Window ?? 1);
        var (spent, before) = (TimeSpan.Zero, _graphs.Sum(g => g.Seconds));
        foreach (var seen in _frames)
        {
            using var frame = Copy(seen);
            var started = Environment.CpuUsage.TotalTime;
            window.Add(method.Observe(frame));
            if (method.Clip is { } clip && IsDue(window, clip))
            {
                method.Revise(window.Frames).Dispose();
                window.Commit(Math.Min(clip.Stride, window.Pending));
            }

            spent += Environment.CpuUsage.TotalTime - started;
        }

        return (spent.TotalMilliseconds / _frames.Count,
            1000 * (_graphs.Sum(g => g.Seconds) - before) / _frames.Count);
    }

    public void Dispose()
    {
        foreach (var frame in _frames) frame.Dispose();
        _loaded.Dispose();
        _pool.Dispose();
    }

    public static async Task RunAsync(string[] paths, string file, int count, int rounds, RefinerOptions refiner)
    {
        using var pool = new FramePool();
        var frames = await SourceFrames.ReadAsync(new SourceOptions { File = file }, pool, count);
        var costs = (from path in paths
                     let all = ModelFolder.Open(path).Manifest.Resolve(ModelMode.Auto)
                     from mode in (ModelMode[])[.. new[] { ModelMode.Online, all }.Distinct()]
                     select (Name: $"{path} {mode}", Costs: new MethodCosts(path, mode, refiner))).ToArray();
        foreach (var (_, cost) in costs) await cost.SegmentAsync(frames);
        var measured = costs.Select(_ => new List<(double Method, double Graphs)>()).ToArray();
        foreach (var (_, cost) in costs) cost.Run();
        for (var round = 0; round < rounds; round++)
            for (var i = 0; i < costs.Length; i++) measured[i].Add(costs[i].Costs.Run());
        Console.WriteLine($"{frames.Length} frames, 1 thread, processor time, medians of {rounds} rounds in turn");
        for (var i = 0; i < costs.Length; i++)
        {
            var (method, graphs) = (StageCosts.Median([.. measured[i].Select(m => m.Method)]),
                StageCosts.Median([.. measured[i].Select(m => m.Graphs)]));
            Console.WriteLine($"{costs[i].Name}: {method:F3} ms per frame, its graphs {graphs:F3}, "
                + $"ratio {method / graphs:F3}");
        }

        foreach (var (_, cost) in costs) cost.Dispose();
        foreach (var frame in frames) frame.Dispose();
    }

    private static bool IsDue(ClipWindow<QueryFrame> window, ClipLengths clip)
        => window.Frames[^1].ClipPlace is > 0 and var place
            ? place == clip.Stride
            : window.Pending == clip.Stride + clip.Lookahead;

    private SegmentedFrame Copy(SegmentedFrame seen)
    {
        var (embeds, features) = (_pool.Rent(seen.FrameEmbeds.Shape), _pool.Rent(seen.MaskFeatures.Shape));
        seen.FrameEmbeds.Span.CopyTo(embeds.Span);
        seen.MaskFeatures.Span.CopyTo(features.Span);
        return new SegmentedFrame(seen.Info, seen.Geometry, embeds, features, seen.Work);
    }
}
