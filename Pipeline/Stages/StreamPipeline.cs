using System.Threading.Channels;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>
/// One camera's way of a frame. Read this first:
/// <code>
/// source ─▶ captured ─▶ segment ─▶ segmented ─▶ track ─▶ tracked ─▶ refine
///                                                 └─▶ provisional, events    └─▶ final, events
/// </code>
/// </summary>
public sealed class StreamPipeline(
    CameraContext camera, IFrameSource source, SegmenterBatcher segmenter, QueueOptions queue, ILogger<StreamPipeline> logger)
{
    /// <summary>Runs until the source ends or <paramref name="stop"/> asks it to; then everything on the way is finished and published.</summary>
    /// <exception cref="Inference.ModelException">The segmenter or the tracker failed.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        var drops = queue.Policy == QueuePolicy.DropOldest || (queue.Policy == QueuePolicy.Auto && source.IsLive);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var segmenting = segmenter.Open();
        using var tracking = new TrackStage(camera);

        var captured = new Link<Frame>(
            queue.Capacity, drops ? BoundedChannelFullMode.DropOldest : BoundedChannelFullMode.Wait,
            _ => camera.Metrics.FrameDropped("captured", "queue_full"));
        var segmented = new Link<SegmentedFrame>(1, BoundedChannelFullMode.Wait);
        // A refiner that is about to run while the next window waits already is behind. Room for two windows: one that takes up to
        // twice its time is behind every other window, and the tracker never waits for it.
        var tracked = new Link<TrackedFrame>(2 * camera.Refiner.Stride, BoundedChannelFullMode.Wait);

        using var refining = new RefineStage(camera, () => drops && tracked.Count >= camera.Refiner.Stride, drops ? camera.Refiner.MaxDelay : null, logger);
        await StageLoop.WhenAllAsync(
            stopping,
            Task.Run(() => CaptureAsync(captured, stopping.Token), CancellationToken.None), // a source that is always behind never waits
            Task.Run(() => StageLoop.RunAsync(captured, new SegmentStage(camera, segmenting, drops ? queue.MaxAge : null).RunAsync, segmented, Beat("segment")), CancellationToken.None),
            Task.Run(() => StageLoop.RunAsync(segmented, tracking.RunAsync, tracked, Beat("track")), CancellationToken.None),
            Task.Run(() => StageLoop.RunAsync(tracked, refining.RunAsync, Beat("refine")), CancellationToken.None));
    }

    private Heartbeats.Beat? Beat(string stage) => camera.Beats?.Open(camera.Camera, stage);

    private async Task CaptureAsync(Link<Frame> captured, CancellationToken stop)
    {
        try
        {
            await foreach (var frame in source.ReadAsync(stop))
            {
                await captured.WriteAsync(frame);
                camera.Metrics.QueueLength("captured", captured.Count, captured.Capacity);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // A stop that was asked for is a normal end.
        }
        catch (ChannelClosedException)
        {
            // The next stage ended first; its own task carries the reason.
        }
        finally
        {
            captured.Complete();
        }
    }
}
