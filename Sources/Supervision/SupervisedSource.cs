using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources.Clocks;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Supervision;

/// <summary>
/// Keeps a source going: sessions follow each other with growing pauses, frame ids and session numbers go on over all
/// of them. A camera is tried for ever; a file that fails ends, because reading it again would deliver frames twice —
/// unless it loops and got somewhere.
/// </summary>
internal sealed class SupervisedSource(
    IFrameSource source, SourceOptions options, Backoff backoff, CameraReporter reporter, CameraMetrics camera,
    SourceMetrics metrics, TimeProvider time) : IFrameSource
{
    // A connection that lasted this long was a good one: the next failure starts with the shortest pause again.
    private static readonly TimeSpan s_healthy = TimeSpan.FromSeconds(10);

    // A file has no live clock to fall behind; only a dead drive keeps it silent for this long.
    private static readonly TimeSpan s_filePatience = TimeSpan.FromSeconds(30);

    private readonly RateLimiter _rate = new(options.Rate.MaxFps);
    private long _nextId;
    private int _nextSession;

    public string Camera => source.Camera;

    public bool IsLive => source.IsLive;

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var patience = !IsLive && options.Rtsp.StallTimeout < s_filePatience
            ? s_filePatience
            : options.Rtsp.StallTimeout;
        var attempt = 0;
        reporter.Starting();
        while (!stop.IsCancellationRequested)
        {
            await using var session =
                new SupervisedSession(source, options.Rtsp.ConnectTimeout + patience, patience, time, stop);
            var began = time.GetTimestamp();
            var (firstId, firstSession) = (_nextId, _nextSession);
            var clock = IsLive ? new LiveClock(options.MaxAge, time) : null;
            while (await session.NextAsync() is { } frame)
            {
                if (session.Frames == 1) (attempt, began) = (0, time.GetTimestamp());
                if (Take(frame, firstId, firstSession, clock, session.Frames == 1)) yield return frame;
            }

            if (stop.IsCancellationRequested) break;
            if (session.Frames > 0 && time.GetElapsedTime(began) >= s_healthy) backoff.Reset();
            attempt++;
            if (session.Fault is not { } fault)
            {
                reporter.Over(SourceFault.Eof);
                yield break;
            }

            if (IsFinal(session))
            {
                reporter.GivenUp(fault, attempt);
                yield break;
            }

            var pause = backoff.Next();
            reporter.Lost(fault, attempt, pause);
            await session.DisposeAsync(); // nothing of it may linger while we wait
            if (!await PauseAsync(pause, stop)) break;
            metrics.Reconnected(EnumName.Of(fault.Fault));
        }

        reporter.Over();
    }

    // Numbers the frame and judges its time; false: it was not fit or one too many for max_fps, and is gone.
    private bool Take(Frame frame, long firstId, int firstSession, LiveClock? clock, bool first)
    {
        frame.Info = frame.Info
            with
        { FrameId = firstId + frame.Info.FrameId, Session = firstSession + frame.Info.Session };
        (_nextId, _nextSession) = (frame.Info.FrameId + 1, frame.Info.Session + 1);
        string? drop = null;
        if (clock is not null) (frame.Info, drop) = Judge(clock, frame.Info);
        reporter.Received(frame, first);

        // A file's rate is that of its media time, however fast it is read.
        var seconds = IsLive
            ? time.GetElapsedTime(0, frame.Info.ReceivedTicks).TotalSeconds
            : frame.Info.Timebase.ToSeconds(frame.Info.Pts);
        if (drop is null && !_rate.Allows(seconds)) drop = "rate_limit";
        if (drop is null) return true;
        camera.FrameDropped("source", drop);
        frame.Dispose();
        return false;
    }

    private (FrameInfo Info, string? Drop) Judge(LiveClock clock, FrameInfo info)
    {
        var useless = clock.Useless;
        var judged = clock.Take(info);
        if (clock.Useless && !useless) reporter.ClockUseless();
        return judged;
    }

    private bool IsFinal(SupervisedSession failed) => !IsLive && (!options.Loop || failed.Frames == 0);

    private async Task<bool> PauseAsync(TimeSpan pause, CancellationToken stop)
    {
        try
        {
            await Task.Delay(pause, time, stop);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
