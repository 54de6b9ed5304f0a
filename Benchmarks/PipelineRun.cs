using System.Diagnostics;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Benchmarks;

/// <summary>What a run of the whole pipeline over one looped file took.</summary>
/// <param name="OwnMs">Milliseconds a frame by stage, the graphs' time taken out.</param>
/// <param name="CpuMs">Processor milliseconds a frame of this process; the decoder's own process is not in it.</param>
internal sealed record PipelineRate(double FramesPerSecond, double ModelMs, double CpuMs,
    IReadOnlyList<(string Stage, double OwnMs)> OwnMs);

/// <summary>The whole pipeline as the service runs it: real decoder, real graphs,
/// the sinks it is given; files never drop.</summary>
internal sealed class PipelineRun : IAsyncDisposable
{
    public const string Camera = "bench";
    private readonly FramePool _frames = new();
    private readonly TensorPool _tensors = new();
    private readonly PipelineMetrics _metrics;
    private readonly StageTimes _stages;
    private readonly (string Stage, TimedModel Graph)[] _graphs;
    private readonly SegmenterBatcher _segmenter;
    private readonly ModelGraphs _models;
    private readonly FanOut _fanOut;
    private readonly string _file;
    private readonly RefinerOptions _refiner;

    private readonly PublishOptions _publish;

    public PipelineRun(ModelGraphs models, RefinerOptions refiner, string file, PublishOptions publish,
        Func<PipelineMetrics, IEnumerable<IResultSink>> sinks)
    {
        _publish = publish;
        (_file, _refiner) = (file, refiner);
        _metrics = new PipelineMetrics();
        _stages = new StageTimes(_metrics.Meter);
        var timed = models.Manifest.Method.Graphs.Where(g => models.Find(g.Name) is not null)
            .ToDictionary(g => g.Name, g => new TimedModel(models[g.Name]));
        _graphs = [.. timed.Select(g => (StageOf(g.Key), g.Value))];
        _models = new ModelGraphs(models.Manifest, timed.ToDictionary(g => g.Key, IModel (g) => g.Value));
        _segmenter = new SegmenterBatcher(_models.Segmenter, models.Manifest, new BatchOptions(), _tensors, _metrics,
            TimeProvider.System);
        _fanOut = new FanOut(sinks(_metrics), 1024, _metrics, TimeProvider.System, NullLogger<FanOut>.Instance);
    }

    public TrackOptions Track { get; init; } = new();

    public long OutstandingFrames => _frames.Outstanding;

    public long OutstandingTensors => _tensors.Outstanding;

    public double AllocatedMiB => (_frames.AllocatedBytes + _tensors.AllocatedBytes) / 1048576.0;

    public Task StartAsync() => _fanOut.StartAsync(CancellationToken.None);

    /// <summary>Runs for at least this long, after the first second, which is not counted.</summary>
    public async Task<PipelineRate> MeasureAsync(TimeSpan atLeast)
    {
        using var stop = new CancellationTokenSource();
        var source = Open(loop: true, null);
        var running = RunAsync(source, stop.Token);
        await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System));
        _stages.Reset();
        var before = _graphs.Select(g => g.Graph.Seconds).ToArray();
        var (frames, cpu, clock) = (source.Frames, Environment.CpuUsage.TotalTime, Stopwatch.StartNew());
        await Task.WhenAny(running, Task.Delay(atLeast, TimeProvider.System));
        var (seconds, count) = (clock.Elapsed.TotalSeconds, source.Frames - frames);
        var cpuMs = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / count;
        var model = _graphs.Select((g, i) => (g.Stage, Ms: (g.Graph.Seconds - before[i]) * 1000 / count)).ToArray();
        string[] stages = ["preprocess", "segment", "track", "refine", "encode", "publish"];
        var own = stages.Select(s =>
            (s, Math.Max(0, _stages.Seconds(s) * 1000 / count - model.Where(m => m.Stage == s).Sum(m => m.Ms))))
            .ToArray();
        await stop.CancelAsync();
        await running;
        return new PipelineRate(count / seconds, model.Sum(m => m.Ms), cpuMs, own);
    }

    /// <summary>Runs this many frames;
    /// <paramref name="counted"/> is called after each was handed to the pipeline.</summary>
    public async Task RunAsync(long frames, Action<long> counted)
    {
        using var stop = new CancellationTokenSource();
        await RunAsync(Open(loop: true, count =>
        {
            counted(count);
            if (count == frames) stop.Cancel();
        }), stop.Token);
    }

    /// <summary>Runs the file once.</summary>
    public Task RunAsync() => RunAsync(Open(loop: false, null), CancellationToken.None);

    private CountingSource Open(bool loop, Action<long>? counted) => new(
        SourceFactory.Create(
            _metrics.Camera(Camera), new SourceOptions { File = _file, Loop = loop }, _frames, TimeProvider.System,
            NullLoggerFactory.Instance, _ => { }),
        counted);

    private Task RunAsync(CountingSource source, CancellationToken stop)
    {
        var settings = new CameraSettings(_models.Manifest) { Track = Track, Publish = _publish, Refiner = _refiner };
        return new StreamPipeline(
            settings, source, _segmenter, _models, _tensors, _fanOut, _metrics.Camera(Camera), TimeProvider.System,
            NullLogger<StreamPipeline>.Instance).RunAsync(stop);
    }

    public async ValueTask DisposeAsync()
    {
        await _fanOut.StopAsync(TimeSpan.FromSeconds(5));
        await _fanOut.DisposeAsync();
        await _segmenter.DisposeAsync();
        _stages.Dispose();
        _frames.Dispose();
        _tensors.Dispose();
    }

    private static string StageOf(string graph) => graph switch
    {
        MethodContract.Segmenter => "segment",
        MethodContract.Tracker or MethodContract.Matcher => "track",
        _ => "refine",
    };

    private sealed class CountingSource(IFrameSource source, Action<long>? counted) : IFrameSource
    {
        private long _frames;

        public string Camera => source.Camera;

        public bool IsLive => source.IsLive;

        public long Frames => Interlocked.Read(ref _frames);

        public async IAsyncEnumerable<Frame> ReadAsync(
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken stop)
        {
            await foreach (var frame in source.ReadAsync(stop))
            {
                var count = Interlocked.Increment(ref _frames);
                yield return frame;
                counted?.Invoke(count);
            }
        }
    }
}
