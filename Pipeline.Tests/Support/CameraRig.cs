using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Dvis.Streaming.Pipeline.Zones;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>What one camera's stages need, with everything observable;
/// disposing it fails the test when a tensor leaked.</summary>
internal sealed class CameraRig : IDisposable
{
    /// <param name="measures">False: nothing listens to the metrics, as in a run without an exporter.</param>
    public CameraRig(ModelGraphs models, TimeProvider? time = null, bool measures = true)
    {
        Models = models;
        Time = time ?? new ManualTime();
        Measured = new TestMetrics(measures);
    }

    public ModelGraphs Models { get; }

    public TimeProvider Time { get; }

    public TensorPool Tensors { get; } = new();

    public TestMetrics Measured { get; }

    public CollectingPublisher Published { get; } = new();

    public TrackOptions Track { get; } = new();

    public PublishOptions Publish { get; } = new();

    public RefinerOptions Refiner { get; } = new();

    public PanopticOptions Panoptic { get; set; } = new();

    public QueueOptions Queue { get; init; } = new();

    public ZonePlan? Zones { get; set; }

    public ILogger<StreamPipeline> Log { get; set; } = NullLogger<StreamPipeline>.Instance;

    public bool ResetEndedSlots { get; set; } = true;

    public Heartbeats? Beats { get; set; }

    public CameraSettings Settings => new(Models.Manifest)
    {
        Queue = Queue,
        Track = Track,
        Panoptic = Panoptic,
        Refiner = Refiner,
        Publish = Publish,
        ResetEndedSlots = ResetEndedSlots,
    };

    public IVideoMethod Method() => Method(maxDelay: null);

    public IVideoMethod Method(TimeSpan? maxDelay)
        => VideoMethods.Create(Models, Tensors, Refiner, Time, maxDelay);

    public RefineStage RefineStage(
        IVideoMethod method, Func<bool>? isBehind = null, TimeSpan? maxDelay = null, ILogger? logger = null) => new(
        Settings, method, Measured.Metrics.Camera("cam"), Time, isBehind ?? (() => false), maxDelay,
        logger ?? NullLogger.Instance);

    public StreamPipeline Pipeline(IFrameSource source, SegmenterBatcher segmenter, IPublisher? publisher = null) =>
        new(
        Settings, source, segmenter, Models, Tensors, publisher ?? Published, Measured.Metrics.Camera("cam"), Time,
        Log)
        { Beats = Beats, Zones = Zones };

    /// <summary>Tracks frames and publishes as the pipeline does;
    /// the reader gets each frame after its messages.</summary>
    public async IAsyncEnumerable<TrackedFrame> TrackAsync(IVideoMethod method, IAsyncEnumerable<SegmentedFrame> input)
    {
        var stage = new TrackStage(Settings, method, Measured.Metrics.Camera("cam"), Time, new ResetRequest());
        var failed = true;
        try
        {
            await foreach (var segmented in input)
            {
                TrackedFrame frame;
                using (segmented) frame = stage.Track(segmented);
                await Published.PublishAsync(frame.Provisional);
                foreach (var e in frame.Events) await Published.PublishAsync(e);
                yield return frame;
            }

            failed = false;
        }
        finally
        {
            foreach (var e in stage.End(failed)) await Published.PublishAsync(e);
        }
    }

    public async Task PublishAsync(IAsyncEnumerable<PipelineMessage> messages, IPublisher? publisher = null)
    {
        await foreach (var message in messages) await (publisher ?? Published).PublishAsync(message);
    }

    public void Dispose()
    {
        Assert.Equal(0, Tensors.Outstanding);
        Tensors.Dispose();
        Measured.Dispose();
    }
}
