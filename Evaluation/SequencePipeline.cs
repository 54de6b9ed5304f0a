using System.Runtime.CompilerServices;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Sequences;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources.Decoding;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Evaluation;

/// <summary>
/// One camera's pipeline and fan-out as <c>dvis run</c> has them by default, over sequences of images, one after the
/// other: each frame once, in order, none dropped. Masks are published at their finest, one cell per pixel.
/// </summary>
internal sealed class SequencePipeline : IAsyncDisposable
{
    private const int SinkQueueCapacity = 64;
    private static readonly TimeSpan s_drainLimit = TimeSpan.FromMinutes(1);

    private readonly PublishOptions _publish = new() { Masks = MaskOutput.On, MaskGrid = 1 };
    private readonly FramePool _frames = new();
    private readonly TensorPool _tensors = new();
    private readonly PipelineMetrics _metrics;
    private readonly SegmenterBatcher _segmenter;
    private readonly ModelGraphs _models;
    private readonly RefinerOptions _refiner;
    private readonly string _ffmpeg;
    private readonly TimeProvider _time;

    /// <param name="models">The caller's.</param>
    /// <param name="ffmpeg">Decoder: a path, or a name in PATH.</param>
    public SequencePipeline(
        ModelGraphs models, RefinerOptions refiner, RuntimeOptions runtime, string ffmpeg, TimeProvider time)
    {
        (_models, _refiner, _ffmpeg, _time) = (models, refiner, ffmpeg, time);
        _metrics = new PipelineMetrics();
        _segmenter = new SegmenterBatcher(models.Segmenter, models.Manifest, runtime.Batch, _tensors, _metrics, time);
    }

    /// <summary>What is published of this sequence; of its beginning where <paramref name="stop"/> ended it.</summary>
    /// <param name="read">Called after each frame that the pipeline has taken.</param>
    /// <exception cref="EvaluationException">
    /// A frame and its annotation differ in size, or the refiner failed.
    /// </exception>
    /// <exception cref="SourceException">An image cannot be decoded.</exception>
    /// <exception cref="ModelException">A graph failed.</exception>
    public async Task<PublishedTracks> RunAsync(AnnotatedSequence sequence, Action read, CancellationToken stop)
    {
        var published = new PublishedTracks();
        var log = NullLogger<FanOut>.Instance;
        await using var fanOut = new FanOut([published], SinkQueueCapacity, _metrics, _time, log);
        await fanOut.StartAsync(stop);
        var settings = new CameraSettings(_models.Manifest) { Publish = _publish, Refiner = _refiner };
        var images = new ImageListSource(
            sequence.Name, sequence.Images, _ffmpeg, _frames, _time, exactColours: false);
        var source = new SequenceSource(images, sequence, read);
        var pipeline = new StreamPipeline(
            settings, source, _segmenter, _models, _tensors, fanOut, _metrics.Camera(sequence.Name), _time,
            NullLogger<StreamPipeline>.Instance);
        await pipeline.RunAsync(stop);
        if (!await fanOut.StopAsync(s_drainLimit))
            throw new EvaluationException($"{sequence.Name}: results were lost on the way to the evaluation.");
        if (published.FailedWindows > 0)
            throw new EvaluationException($"{sequence.Name}: the refiner failed in {published.FailedWindows} windows.");
        return published;
    }

    public async ValueTask DisposeAsync()
    {
        await _segmenter.DisposeAsync();
        _frames.Dispose();
        _tensors.Dispose();
        _metrics.Dispose();
    }

    /// <summary>Compares the size of each frame with that of its annotation on the way.</summary>
    private sealed class SequenceSource(IFrameSource source, AnnotatedSequence sequence, Action read) : IFrameSource
    {
        public string Camera => source.Camera;

        public bool IsLive => source.IsLive;

        public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
        {
            var index = 0;
            await foreach (var frame in source.ReadAsync(stop))
            {
                if (Fault(index++, frame.Width, frame.Height) is { } fault)
                {
                    frame.Dispose();
                    throw new EvaluationException($"{sequence.Name}: {fault}");
                }

                yield return frame;
                read();
            }
        }

        private string? Fault(int index, int width, int height)
        {
            if (index == sequence.Images.Count) return "its files hold more images than there are annotations.";
            var mask = sequence.Masks[index];
            return (width, height) == (mask.Width, mask.Height)
                ? null
                : $"{sequence.Images[index]} has {width}x{height} pixels, its annotation {mask.Width}x{mask.Height}.";
        }
    }
}
