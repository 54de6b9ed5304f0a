using System.Threading.Channels;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Publisher of a camera's events, and of its status with epoch and rate of the results.</summary>
internal sealed class StatusFeed
{
    // A status every few seconds; the next one supersedes it, so the oldest may be dropped.
    private const int Capacity = 64;

    private readonly CameraBoard _board;
    private readonly IPublisher _sinks;
    private readonly TimeProvider _time;
    private readonly Task _loop;
    private readonly Channel<CameraStatus> _statuses = Channel.CreateBounded<CameraStatus>(
        new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest });

    // Camera events also occur between epochs, so they are counted in a series of their own.
    private readonly string _series;

    // Of the loop.
    private CameraState? _state;
    private long _events, _results, _measured;

    public StatusFeed(CameraBoard board, IPublisher sinks, TimeProvider time)
    {
        (_board, _sinks, _time, _series) = (board, sinks, time, Ulid.New(time));
        (_results, _measured) = (board.Counts.Provisional, time.GetTimestamp());
        _loop = Task.Run(LoopAsync);
    }

    /// <summary>Queues a status; after <see cref="CompleteAsync"/> it is ignored.</summary>
    public void Post(CameraStatus status) => _statuses.Writer.TryWrite(status);

    /// <summary>Publishes the queued statuses and ends.</summary>
    public Task CompleteAsync()
    {
        _statuses.Writer.TryComplete();
        return _loop;
    }

    private async Task LoopAsync()
    {
        await foreach (var status in _statuses.Reader.ReadAllAsync())
        {
            var kind = Kind(_state, status.State);
            // The epoch of a camera that has just come online begins with its first result.
            var epoch = _state is CameraState.Online or CameraState.Degraded ? _board.Epoch ?? "" : "";
            _state = status.State;
            await _sinks.PublishAsync(
                status with { Epoch = _board.Epoch, FpsOut = Rate(), Warnings = _board.Warnings });
            if (kind is { } happened) await _sinks.PublishAsync(Event(happened, status, epoch));
        }
    }

    private LifecycleEvent Event(EventKind kind, CameraStatus status, string epoch)
    {
        var reason = EnumName.Of(status.Reason);
        return new(
            status.Camera, epoch, ++_events, kind, _time.GetUtcNow(), null, null, null, status.LastFrame,
            status.Reason == SourceFault.Ok ? null : reason, null)
        { Series = _series };
    }

    private static EventKind? Kind(CameraState? before, CameraState now) => (before, now) switch
    {
        _ when before == now => null,
        (CameraState.Degraded, CameraState.Online) => EventKind.CameraRecovered,
        (_, CameraState.Online) => EventKind.CameraOnline,
        (_, CameraState.Degraded) => EventKind.CameraDegraded,
        (_, CameraState.Offline) => EventKind.CameraOffline,
        _ => null,
    };

    /// <summary>Results per second since the last call.</summary>
    private double Rate()
    {
        var (results, now) = (_board.Counts.Provisional, _time.GetTimestamp());
        var seconds = _time.GetElapsedTime(_measured, now).TotalSeconds;
        var rate = seconds > 0.5 ? Math.Round((results - _results) / seconds, 2) : 0;
        (_results, _measured) = (results, now);
        return rate;
    }
}
