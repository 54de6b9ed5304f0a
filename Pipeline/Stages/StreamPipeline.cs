using System.Threading.Channels;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Zones;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>
/// Way of a camera's frames. Read this first:
/// <code>
/// source ─▶ captured ─▶ segment ─▶ segmented ─▶ track ─▶ tracked ─▶ refine
///                                                 │                   │
///                                provisional, events ─▶ publish ◀─ final, events
/// </code>
/// Zones and lines read both kinds of results as they are published.
/// </summary>
/// <param name="segmenter">Shared by all cameras, as are graphs and tensors.</param>
public sealed class StreamPipeline(
    CameraSettings settings, IFrameSource source, SegmenterBatcher segmenter, ModelGraphs graphs, TensorPool tensors,
    IPublisher publisher, CameraMetrics metrics, TimeProvider time, ILogger<StreamPipeline> logger)
{
    /// <summary>Receives when each stage is at work; null: not reported.</summary>
    public Heartbeats? Beats { get; init; }

    public ResetRequest Reset { get; init; } = new();

    /// <summary>Receives each frame before it is segmented, and may read it until it returns; null: none.</summary>
    public Action<Frame>? Watch { get; init; }

    /// <summary>Zones and lines of the camera; null: none.</summary>
    public ZonePlan? Zones { get; init; }

    /// <summary>
    /// Runs until the source ends or <paramref name="stop"/> is cancelled; then all frames inside are finished and
    /// published.
    /// </summary>
    /// <exception cref="ModelException">The segmenter or the tracker failed.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        var (queue, refiner) = (settings.Queue, settings.Refiner);
        var drops = queue.Policy == QueuePolicy.DropOldest || (queue.Policy == QueuePolicy.Auto && source.IsLive);
        var captured = new Link<Frame>(
            queue.Capacity, drops ? BoundedChannelFullMode.DropOldest : BoundedChannelFullMode.Wait,
            _ => metrics.FrameDropped("captured", "queue_full"));
        var segmented = new Link<SegmentedFrame>(1, BoundedChannelFullMode.Wait);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var segmenting = segmenter.Open();
        using var method = VideoMethods.Create(graphs, tensors, refiner, time, drops ? refiner.MaxDelay : null);
        var stride = method.Clip?.Stride ?? refiner.Stride;
        // A refiner is behind when it starts a window and the next one waits already. Room for two windows: one that
        // takes up to twice its time is behind in every other window, and the tracker never waits for it.
        var tracked = new Link<TrackedFrame>(2 * stride, BoundedChannelFullMode.Wait);
        var track = new TrackStage(settings, method, metrics, time, Reset);
        using var refine = new RefineStage(
            settings, method, metrics, time, () => drops && tracked.Count >= stride,
            drops ? refiner.MaxDelay : null, logger);

        using var zones = Zones is { Shapes.IsEmpty: false } plan
            ? new ZoneStage(metrics, plan, publisher, time, logger) : null;
        try
        {
            await RunStagesAsync();
        }
        finally
        {
            if (zones is not null) await zones.EndAsync();
        }

        Task RunStagesAsync() => StageLoop.WhenAllAsync(
            stopping,
            Start(() => StageLoop.RunAsync(source.ReadAsync, captured, Captured, stopping.Token)),
            Start(() => StageLoop.RunAsync(
                captured, frames => SegmentAsync(segmenting, frames, drops ? queue.MaxAge : null), segmented,
                Beat("segment"))),
            Start(() => StageLoop.RunAsync(
                segmented, frames => TrackAsync(track, zones, frames), tracked, Beat("track"))),
            Start(() => StageLoop.RunAsync(tracked, frames => RefineAsync(refine, zones, frames), Beat("refine"))));

        void Captured() => metrics.QueueLength("captured", captured.Count, captured.Capacity);

        // On the thread pool: a source that is always behind never waits.
        static Task Start(Func<Task> stage) => Task.Run(stage, CancellationToken.None);
    }

    /// <param name="maxAge">Age at which a live frame is dropped when its turn comes; null: none is.</param>
    private async IAsyncEnumerable<SegmentedFrame> SegmentAsync(
        CameraSegmenter camera, IAsyncEnumerable<Frame> input, TimeSpan? maxAge)
    {
        await foreach (var frame in input)
        {
            SegmentedFrame segmented;
            using (frame)
            {
                if (maxAge is { } limit && time.GetElapsedTime(frame.Info.ReceivedTicks) > limit)
                {
                    metrics.FrameDropped("segment", "stale");
                    continue;
                }

                Watch?.Invoke(frame);
                segmented = await camera.SegmentAsync(frame);
            }

            yield return segmented;
        }
    }

    private async IAsyncEnumerable<TrackedFrame> TrackAsync(
        TrackStage track, ZoneStage? zones, IAsyncEnumerable<SegmentedFrame> input)
    {
        var failed = true;
        try
        {
            await foreach (var segmented in input)
            {
                TrackedFrame frame;
                using (segmented) frame = track.Track(segmented);
                Task PublishFrameAsync(ProvisionalResult result) => PublishAllAsync([result, .. frame.Events]);
                if (zones is null) await PublishFrameAsync(frame.Provisional);
                else await zones.ObserveAsync(frame, PublishFrameAsync);
                yield return frame;
            }

            failed = false;
        }
        finally
        {
            foreach (var e in track.End(failed)) await PublishAsync(e);
        }
    }

    private async Task RefineAsync(RefineStage refine, ZoneStage? zones, IAsyncEnumerable<TrackedFrame> input)
    {
        await foreach (var message in refine.RunAsync(input))
        {
            if (zones is not null && message is LifecycleEvent { Kind: EventKind.TrackerReset } reset)
                await zones.EndBeforeAsync(reset.Epoch);
            await PublishAsync(message);
            if (zones is not null && message is FinalResult final) await zones.ObserveAsync(final);
        }
    }

    private async Task PublishAllAsync(IEnumerable<PipelineMessage> messages)
    {
        foreach (var message in messages) await PublishAsync(message);
    }

    private ValueTask PublishAsync(PipelineMessage message)
    {
        var now = time.GetTimestamp();
        if (message is ProvisionalResult { Frame: var shown })
        {
            var (age, captureAge) = (shown.Age(time, now), shown.CaptureAge(time, now));
            metrics.FrameLatency("provisional", age.TotalSeconds);
            if (captureAge is { } known) metrics.CaptureLatency(known.TotalSeconds);
            metrics.Tally.Recent.Add(Sample(age, captureAge));
        }

        if (message is FinalResult { Frames: var revised })
        {
            foreach (var frame in revised)
            {
                var age = frame.Age(time, now);
                metrics.FrameLatency("final", age.TotalSeconds);
                metrics.Tally.RecentFinal.Add(Sample(age, frame.CaptureAge(time, now)));
            }
        }

        return publisher.PublishAsync(message);
    }

    private static LatencySample Sample(TimeSpan age, TimeSpan? captureAge) =>
        new((captureAge ?? age).TotalSeconds, captureAge is not null);

    private Heartbeats.Beat? Beat(string stage) => Beats?.Open(metrics.Camera, stage);
}
