using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Zones;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>Publishes the events of a camera's zones and lines, in the order of their numbers. Thread-safe: the track
/// stage brings provisional results, the refine stage finals.</summary>
internal sealed partial class ZoneStage(
    CameraMetrics metrics, ZonePlan plan, IPublisher publisher, TimeProvider time, ILogger logger) : IDisposable
{
    // Held while events are published: an answer must not overtake the event that it answers.
    private readonly SemaphoreSlim _gate = new(1);
    private readonly ZoneWatch _watch = new(metrics.Camera, plan, time);
    private bool _measured;

    /// <summary>Takes a frame; <paramref name="publish"/> publishes its result, before the events.</summary>
    public Task ObserveAsync(TrackedFrame frame, Func<ProvisionalResult, Task> publish) => PublishAsync(async () =>
    {
        Measure(frame.Info);
        var ended = frame.Ended.Select(e => (e.Identity.Number, e.LastFrameId));
        var events = _watch.Observe(frame.Provisional, frame.Merges, ended);
        await publish(frame.Provisional with { Zones = _watch.Counts });
        return events;
    });

    public Task ObserveAsync(FinalResult final) => PublishAsync(() => Task.FromResult(_watch.Observe(final)));

    /// <summary>Settles the epochs before this one.</summary>
    public Task EndBeforeAsync(string epoch) => PublishAsync(() => Task.FromResult(_watch.EndBefore(epoch)));

    /// <summary>Settles everything.</summary>
    public Task EndAsync() => PublishAsync(() => Task.FromResult(_watch.End()));

    public void Dispose() => _gate.Dispose();

    private async Task PublishAsync(Func<Task<ImmutableArray<LifecycleEvent>>> observe)
    {
        await _gate.WaitAsync();
        try
        {
            foreach (var e in await observe())
            {
                metrics.ZoneEvent(EnumName.Of(e.Kind), EnumName.Of(e.Zone!.Basis));
                await publisher.PublishAsync(e);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Reports shapes beyond the first frame's size; they work where they overlap the frame.</summary>
    private void Measure(FrameInfo frame)
    {
        if (_measured) return;
        _measured = true;
        var beyond = plan.Shapes.Where(s => s.Exceeds(frame.Width, frame.Height)).Select(s => s.Name).ToList();
        if (beyond.Count > 0) LogBeyond(metrics.Camera, string.Join(", ", beyond), frame.Width, frame.Height);
    }

    [LoggerMessage(
        2111, LogLevel.Warning,
        "Camera {Camera}: zones or lines have points outside of the frame of {Width} x {Height} pixels: {Names}.")]
    private partial void LogBeyond(string camera, string names, int width, int height);
}
