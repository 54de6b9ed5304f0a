using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Benchmarks;

/// <summary>
/// Resident memory of an offline evaluation by the length of the video. The segmenter runs on the first frame of each
/// only; its answers come again with noise on the queries, because its memory does not depend on the length and its
/// seconds would fill days. All else is what <c>dvis eval</c> runs.
/// </summary>
internal sealed class OfflineMemory : IDisposable
{
    private const int TopK = 20;
    private static readonly EvaluationMode[] s_offline = [new(ModeKind.Offline)];
    private readonly FirstFrameOnly _segmenter;
    private readonly TimedModel _attention, _layer;
    private readonly ModelGraphs _models;

    /// <param name="width">Of the pictures, and of the network's input.</param>
    public OfflineMemory(string path, int width, int height)
    {
        (Width, Height) = (width, height);
        var folder = ModelFolder.Open(path);
        string[] graphs =
        [
            MethodContract.Segmenter, MethodContract.Tracker, MethodContract.FrameForward,
            .. MethodContract.Dvis.GraphsOf(GraphUse.WholeVideo),
        ];
        var loaded = ModelGraphs.Load(
            folder, "fp32", new RuntimeOptions { Threads = 1 }, graphs, 2, NullLogger.Instance, frugal: true);
        (_segmenter, _attention, _layer) = (
            new(loaded.Segmenter), new(loaded[MethodContract.RefinerAttention], Clock),
            new(loaded[MethodContract.RefinerLayer], Clock));
        var manifest = loaded.Manifest with
        {
            Input = loaded.Manifest.Input
            with
            { ShorterSide = Math.Min(width, height), LargestSide = Math.Max(width, height) }
        };
        _models = new ModelGraphs(manifest, new Dictionary<string, IModel>
        {
            [MethodContract.Segmenter] = _segmenter,
            [MethodContract.Tracker] = loaded[MethodContract.Tracker],
            [MethodContract.FrameForward] = loaded[MethodContract.FrameForward],
            [MethodContract.RefinerAttention] = _attention,
            [MethodContract.RefinerLayer] = _layer,
            [MethodContract.RefinerHeads] = loaded[MethodContract.RefinerHeads],
        });
    }

    private int Width { get; }

    private int Height { get; }

    public async Task RunAsync(int frames)
    {
        var metrics = new PipelineMetrics();
        using var pool = new FramePool();
        using var tensors = new TensorPool(keepBytes: 64 << 20);
        await using var segmenter = new SegmenterBatcher(_models.Segmenter, _models.Manifest, new BatchOptions(),
            tensors, metrics, TimeProvider.System);
        var scene = new SyntheticOptions { Width = Width, Height = Height, Frames = frames, Realtime = false };
        var source = SourceFactory.Create(
            metrics.Camera(PipelineRun.Camera), new SourceOptions { Synthetic = scene }, pool, TimeProvider.System,
            NullLoggerFactory.Instance, _ => { });
        _segmenter.Restart();
        ResidentMemory.ForgetPeak();
        var (seen, segmented, started, attention, layer) = (0, 0.0, Clock(), _attention.Seconds, _layer.Seconds);
        var results = await new VideoEvaluator(_models, segmenter, tensors, s_offline, TopK)
            .RunAsync("video", source.ReadAsync(CancellationToken.None), () =>
        {
            if (++seen == frames) segmented = ResidentMemory.Peak;
        }, CancellationToken.None);
        var runs = ((InstanceResult)results[0]).Tubes.Sum(tube => tube.Masks.Sum(mask => (long)mask.Counts.Length));
        Console.WriteLine(
            $"{frames,7} frames {Width}x{Height}: {ResidentMemory.Peak:0} MiB resident at most, {segmented:0} before "
            + $"the refiner; result {runs * sizeof(int) / 1048576.0:0} MiB of runs; "
            + $"{(Clock() - started).TotalSeconds:0} s of processor time, of them attention over time "
                + $"{_attention.Seconds - attention:0} s, the rest of the layers {_layer.Seconds - layer:0} s");
    }

    public void Dispose()
    {
        _models.Dispose();
    }

    // One thread works at a time, and other work on the machine does not count.
    private static TimeSpan Clock() => Environment.CpuUsage.TotalTime;

    private sealed class FirstFrameOnly(IModel model) : IModel
    {
        private readonly Random _random = new(1);
        private float[][]? _answers;

        public string Name => model.Name;

        public IReadOnlyList<TensorSpec> Inputs => model.Inputs;

        public IReadOnlyList<TensorSpec> Outputs => model.Outputs;

        public void Restart() => _answers = null;

        public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
        {
            if (_answers is null)
            {
                model.Run(inputs, outputs);
                _answers = [.. outputs.ToArray().Select(output => output.Span.ToArray())];
                return;
            }

            for (var i = 0; i < outputs.Length; i++) _answers[i].CopyTo(outputs[i].Span);
            foreach (ref var value in outputs[0].Span) value += 0.2f * (_random.NextSingle() - 0.5f);
        }

        public void Dispose() => model.Dispose();
    }
}
