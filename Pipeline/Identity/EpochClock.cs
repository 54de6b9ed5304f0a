using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>
/// Clock of epochs: it decides where continuity breaks and counts media seconds inside an epoch, by presentation time
/// where it advances plausibly, else by receive time. Not thread-safe.
/// </summary>
public sealed class EpochClock(TimeSpan resetAfterGap, TimeProvider time)
{
    // Seconds. Presentation time that runs ahead of arrival by more than this a frame has jumped.
    private const double LargestStep = 5;
    private FrameInfo? _last;

    /// <summary>Seconds since the epoch began.</summary>
    public double Seconds { get; private set; }

    /// <summary>Time without a frame before the last one; zero for files, which wait for their reader.</summary>
    public TimeSpan Silence { get; private set; }

    /// <summary>Takes the next frame.</summary>
    /// <param name="asked">True when a new epoch was requested.</param>
    /// <returns>Why a new epoch begins with it, in snake case; null when the epoch continues.</returns>
    public string? Advance(FrameInfo frame, bool asked = false)
    {
        var last = _last;
        (_last, Silence) = (frame, TimeSpan.Zero);
        if (last is null) return Begin("start");
        var elapsed = time.GetElapsedTime(last.ReceivedTicks, frame.ReceivedTicks);
        var media = frame.Timebase.ToSeconds(frame.Pts) - last.Timebase.ToSeconds(last.Pts);
        if (asked) return Begin("command");
        if (frame.Width != last.Width || frame.Height != last.Height) return Begin("resolution_change");
        if (frame.Session != last.Session) return Begin("source_restarted");
        // The arrival of a file's frames depends on how fast they are read, not on the scene.
        var file = frame.Capture.Source is ClockSource.FileMtime or ClockSource.FilePts;
        if (!file && elapsed > resetAfterGap) return Begin("gap");
        if (media <= 0 || (!file && media - elapsed.TotalSeconds > LargestStep * (frame.FrameId - last.FrameId)))
            return Begin("clock_jump");
        Seconds += media < LargestStep ? media : Math.Max(0, elapsed.TotalSeconds);
        if (!file) Silence = elapsed;
        return null;
    }

    private string Begin(string reason)
    {
        Seconds = 0;
        return reason;
    }
}

/// <summary>Request for a new epoch of a camera; its next frame begins it. Thread-safe.</summary>
public sealed class ResetRequest
{
    private int _asked;

    public void Ask() => Interlocked.Exchange(ref _asked, 1);

    /// <summary>True once for all requests since the last call.</summary>
    internal bool Take() => Interlocked.Exchange(ref _asked, 0) == 1;
}
