using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Tracking;

/// <summary>
/// Decides where continuity breaks, and counts media seconds inside an epoch: by presentation time where it advances
/// sanely, else by receive time. Not thread-safe.
/// </summary>
public sealed class EpochClock(TimeSpan resetAfterGap, TimeProvider time)
{
    // A step in presentation time larger than this is no step of the camera's clock but a fault of the stream.
    private const double LargestStep = 5;
    private FrameInfo? _last;

    /// <summary>Seconds since the epoch began.</summary>
    public double Seconds { get; private set; }

    /// <summary>Takes the next frame; a reason (snake case) when a new epoch begins with it, null when it continues.</summary>
    public string? Advance(FrameInfo frame)
    {
        var last = _last;
        _last = frame;
        var reason = last is null ? "start"
            : frame.Session != last.Session ? "source_restarted"
            : frame.Width != last.Width || frame.Height != last.Height ? "resolution_change"
            : time.GetElapsedTime(last.ReceivedTicks, frame.ReceivedTicks) > resetAfterGap ? "gap"
            : null;
        if (reason is not null)
        {
            Seconds = 0;
            return reason;
        }

        var media = frame.Timebase.ToSeconds(frame.Pts) - last!.Timebase.ToSeconds(last.Pts);
        Seconds += media is > 0 and < LargestStep ? media : Math.Max(0, time.GetElapsedTime(last.ReceivedTicks, frame.ReceivedTicks).TotalSeconds);
        return null;
    }
}
