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
    private readonly Channel<CameraStatus?> _statuses = Channel.CreateBounded<CameraStatus?>(
        new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest });

    // Camera events also occur between epochs, so they are counted in a series of their own.
    private readonly string _series;

    // Of the loop.
    private CameraStatus? _last;
    private long _events;

    public StatusFeed(CameraBoard board, IPublisher sinks, TimeProvider time)
    {
        (_board, _sinks, _time, _series) = (board, sinks, time, Ulid.New(time));
        _loop = Task.Run(LoopAsync);
    }

    /// <summary>Queues a status; after <see cref="CompleteAsync"/> it is ignored.</summary>
    public void Post(CameraStatus status) => _statuses.Writer.TryWrite(status);

    /// <summary>Queues the last status once more, with the present figures.</summary>
    public void Repeat() => _statuses.Writer.TryWrite(null);

    /// <summary>Publishes the queued statuses and ends.</summary>
    public Task CompleteAsync()
    {
        _statuses.Writer.TryComplete();
        return _loop;
    }

    private async Task LoopAsync()
    {
        await foreach (var next in _statuses.Reader.ReadAllAsync())
        {
            if ((next ?? _last) is not { } status) continue;
            var (kind, recent) = (Kind(_last?.State, status.State), _board.Recent);
            // The epoch of a camera that has just come online begins with its first result.
            var epoch = _last?.State is CameraState.Online or CameraState.Degraded ? _board.Epoch ?? "" : "";
            _last = status;
            await _sinks.PublishAsync(status with
            {
                Epoch = _board.Epoch,
                FpsOut = Math.Round(recent.FpsOut, 2),
                Overloaded = recent.Overloaded,
                DroppedShare = recent.DroppedShare,
                Warnings = _board.Warnings,
            });
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
}
