using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Threading.Channels;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>
/// Stands between the pipelines and the fan-out. It takes the cameras' status from the sources' threads, which must not wait,
/// completes it with what only the results know (epoch, rate of results), and publishes it together with the camera events.
/// </summary>
internal sealed class StatusRelay : IPublisher
{
    // Of all cameras together; each says something every few seconds.
    private const int Capacity = 1024;

    private readonly IPublisher _next;
    private readonly TimeProvider _time;
    private readonly Channel<CameraStatus> _statuses;
    private readonly ConcurrentDictionary<string, Life> _lives = new();
    private readonly Lock _gate = new();
    private readonly Task _loop;
    private Task _publishing = Task.CompletedTask; // under _gate: one after the other, so that order is kept

    public StatusRelay(IPublisher next, TimeProvider time)
    {
        (_next, _time) = (next, time);
        // A status is superseded by the next one, so the oldest may go.
        _statuses = Channel.CreateBounded<CameraStatus>(new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest });
        _loop = Task.Run(LoopAsync);
    }

    public ValueTask PublishAsync(PipelineMessage message)
    {
        if (message is ProvisionalResult result) Of(message.Camera).Saw(result.Epoch);
        return _next.PublishAsync(message);
    }

    /// <summary>Never waits.</summary>
    public void Post(CameraStatus status) => _statuses.Writer.TryWrite(status);

    /// <summary>Warnings that every status of a camera carries from now on.</summary>
    public void Warn(string camera, ImmutableArray<CameraWarning> warnings) => Of(camera).Warnings = warnings;

    /// <summary>What the camera last said of itself; null before its first word.</summary>
    public CameraStatus? Last(string camera) => Of(camera).Status;

    /// <summary>Publishes what a camera has said so far, and forgets it: it begins anew, or never comes again.</summary>
    public async Task ForgetAsync(string camera)
    {
        await PublishWaitingAsync();
        _lives.TryRemove(camera, out _);
    }

    public async Task StopAsync()
    {
        _statuses.Writer.TryComplete();
        await _loop;
    }

    private Life Of(string camera) => _lives.GetOrAdd(camera, _ => new Life(Ulid.New(_time), _time));

    private async Task LoopAsync()
    {
        while (await _statuses.Reader.WaitToReadAsync()) await PublishWaitingAsync();
    }

    private Task PublishWaitingAsync()
    {
        lock (_gate) return _publishing = AfterAsync(_publishing);

        async Task AfterAsync(Task before)
        {
            await before;
            while (_statuses.Reader.TryRead(out var status)) await PublishAsync(status);
        }
    }

    private async Task PublishAsync(CameraStatus status)
    {
        var life = Of(status.Camera);
        var kind = Kind(life.Status?.State, status.State);
        life.Status = status with { Epoch = life.Epoch, FpsOut = life.Rate(), Warnings = life.Warnings };
        await _next.PublishAsync(life.Status);
        if (kind is { } happened)
            await _next.PublishAsync(new LifecycleEvent(
                status.Camera, life.EventEpoch, ++life.Events, happened, _time.GetUtcNow(), null, null, null, status.LastFrame,
                status.Reason == SourceFault.Ok ? null : EnumName.Of(status.Reason), null));
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

    /// <summary>One camera. Camera events happen between epochs too, so they count in an epoch of their own, as long as the process.</summary>
    private sealed class Life(string eventEpoch, TimeProvider time)
    {
        private long _results;
        private (long Results, long At) _measured = (0, time.GetTimestamp());
        private volatile string? _epoch;
        private volatile CameraStatus? _status;

        public string EventEpoch => eventEpoch;

        /// <summary>Of the publishing only, one at a time.</summary>
        public long Events { get; set; }

        public string? Epoch => _epoch;

        /// <summary>Set before the camera's first status.</summary>
        public ImmutableArray<CameraWarning> Warnings { get; set; } = [];

        public CameraStatus? Status
        {
            get => _status;
            set => _status = value;
        }

        public void Saw(string epoch)
        {
            _epoch = epoch;
            Interlocked.Increment(ref _results);
        }

        /// <summary>Results a second since the last call; of the publishing only.</summary>
        public double Rate()
        {
            var (results, now) = (Interlocked.Read(ref _results), time.GetTimestamp());
            var seconds = time.GetElapsedTime(_measured.At, now).TotalSeconds;
            var rate = seconds > 0.5 ? Math.Round((results - _measured.Results) / seconds, 2) : 0;
            _measured = (results, now);
            return rate;
        }
    }
}
