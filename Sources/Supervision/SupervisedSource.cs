using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sources.Clocks;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sources.Supervision;

/// <summary>
/// Source that reconnects: sessions follow each other with growing pauses, and frame ids and session numbers go on over
/// all of them. Stamps the <see cref="FrameInfo"/> of each frame. A camera is tried without end; a file that fails is
/// over, because another pass would deliver frames twice, unless it loops and has delivered any.
/// </summary>
internal sealed class SupervisedSource(
    IRawSource source, SourceOptions options, SourceMetrics metrics, Random random, TimeProvider time, ILogger logger,
    Action<CameraStatus> onStatus) : IFrameSource
{
    // A connection that lasted this long was a good one: the next failure starts with the shortest pause again.
    private static readonly TimeSpan s_healthy = TimeSpan.FromSeconds(10);

    // A file has no live clock to fall behind; only a dead drive is silent for this long.
    private static readonly TimeSpan s_fileStallTimeout = TimeSpan.FromSeconds(30);

    private readonly CameraReporter _reporter = new(source, metrics, time, logger, onStatus);
    private readonly Backoff _backoff = new(options.Rtsp.Backoff, random);
    private readonly RateLimiter _rate = new(options.Rate.MaxFps);
    private long _frameId = -1;
    private int _session = -1;

    public string Camera => metrics.Camera;

    public bool IsLive => source.IsLive;

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var stallTimeout = !IsLive && options.Rtsp.StallTimeout < s_fileStallTimeout
            ? s_fileStallTimeout
            : options.Rtsp.StallTimeout;
        var attempt = 0;
        _reporter.Starting();
        while (!stop.IsCancellationRequested)
        {
            await using var session =
                new SupervisedSession(source, options.Rtsp.ConnectTimeout + stallTimeout, stallTimeout, time, stop);
            var began = time.GetTimestamp();
            var clock = IsLive ? new LiveClock(options.MaxAge, time) : null;
            var first = session.NextAsync().AsTask();
            if (await Task.WhenAny(first, session.Undecoded) != first) _reporter.Undecoded();
            for (var frame = await first; frame is { } raw; frame = await session.NextAsync())
            {
                if (session.Frames == 1) (attempt, began) = (0, time.GetTimestamp());
                if (Take(raw, clock, session.Frames == 1)) yield return raw.Frame;
            }

            if (stop.IsCancellationRequested) break;
            if (session.Frames > 0 && time.GetElapsedTime(began) >= s_healthy) _backoff.Reset();
            attempt++;
            if (session.Fault is not { } fault)
            {
                _reporter.Offline(SourceFault.Eof);
                yield break;
            }

            if (!IsLive && (!options.Loop || session.Frames == 0))
            {
                // A file that was cut short is over.
                _reporter.Offline(fault.Fault, fault.Message, attempt, failed: fault.Fault != SourceFault.Eof);
                yield break;
            }

            var pause = _backoff.Next();
            _reporter.Offline(fault.Fault, fault.Message, attempt, pause);
            await session.DisposeAsync(); // releases everything before the pause
            await Task.Delay(pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!stop.IsCancellationRequested) metrics.Reconnected(EnumName.Of(fault.Fault));
        }

        _reporter.Offline(SourceFault.Ok);
    }

    // Stamps the frame; false: it was dropped, for its time or for max_fps.
    private bool Take(RawFrame raw, LiveClock? clock, bool first)
    {
        if (raw.Begins) _session++;
        _frameId += 1 + raw.Skipped;
        var wasUnreliable = clock?.IsUnreliable;
        var (pts, late, drop) = clock?.Judge(raw.Pts, raw.Timebase, raw.ReceivedTicks)
            ?? new LiveClock.Verdict(raw.Pts, TimeSpan.Zero, Drop: null);
        if (clock?.IsUnreliable != wasUnreliable) _reporter.ClockIsUnreliable();
        var capture = raw.Capture
            ?? new CaptureTime(raw.Received - late, ClockSource.Arrival, OffsetMs: 0, ErrorMs: null, Synced: false);
        var frame = raw.Stamp(Camera, _frameId, _session, pts, capture);
        _reporter.Received(frame, first);

        // A file's rate is that of its media time, however fast it is read.
        var seconds = IsLive ? time.GetElapsedTime(0, raw.ReceivedTicks).TotalSeconds : raw.Timebase.ToSeconds(pts);
        if (drop is null && !_rate.Allows(seconds)) drop = "rate_limit";
        if (drop is null) return true;
        metrics.Dropped(drop);
        frame.Dispose();
        return false;
    }
}
