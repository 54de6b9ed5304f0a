using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Clocks;

/// <summary>
/// Judges the clock of one session of a live source, which may say anything. Frames that pass are in order: each is
/// later than the one before, or begins another stretch of time (a jump), which the pipeline takes for a new epoch. Not
/// thread-safe.
/// </summary>
/// <param name="maxAge">A frame that comes out of a backlog and is older than this is dropped; null: none is.</param>
internal sealed class LiveClock(TimeSpan? maxAge, TimeProvider time)
{
    private const int Ticks = 90_000;

    /// <summary>Seconds. A step back of this length is a jump at once;
    /// a shorter one may be a picture out of order.</summary>
    private const double SmallestJump = 5;

    /// <summary>A step is a wrap when it is this near to the range of the clock (ticks).</summary>
    private const long NearWrap = 60 * Ticks;

    /// <summary>A clock that says nothing new for this long says nothing at all.</summary>
    private static readonly TimeSpan s_longestStop = TimeSpan.FromSeconds(1);

    // RTP's clock has 32 bits, that of MPEG-TS in RTP 33.
    private static readonly long[] s_ranges = [1L << 33, 1L << 32];

    private readonly ArrivalClock _arrivals = new(time);
    private FrameInfo? _last;     // the last that passed
    private TimeSpan _late;       // how much longer than the fastest it took
    private long? _raw;           // timestamp of the last frame as it came
    private long _wrapped;        // what wraps have added so far
    private long _previous;       // timestamp of the last frame, extended, also when it was dropped

    /// <summary>The camera's clock stands still or runs backwards:
    /// timestamps go on by the moment of arrival instead, to the end of the session.</summary>
    public bool Useless { get; private set; }

    /// <summary>The frame with its timestamp extended and its capture time estimated,
    /// and why it must be dropped (snake case), or null.</summary>
    public (FrameInfo Info, string? Drop) Take(FrameInfo frame)
    {
        var info = frame with { Pts = Extend(frame) };
        if (_last is not { } last) return Pass(info, jump: true);
        var since = time.GetElapsedTime(last.ReceivedTicks, info.ReceivedTicks);
        if (Useless) return Pass(ByArrival(info, last, since), jump: true);

        var before = _previous;
        _previous = info.Pts;
        var step = info.Timebase.ToSeconds(info.Pts - last.Pts);
        if (step > 0) return Ahead(info, last, step, since);
        // Behind the last one, but going on from the one before: the clock was set back.
        if (step <= -SmallestJump || (step < 0 && before < info.Pts && before < last.Pts))
            return Pass(info, jump: true);
        if (since < s_longestStop) return (info, step == 0 ? "duplicate" : "out_of_order");
        Useless = true;
        return Pass(ByArrival(info, last, since), jump: true);
    }

    private (FrameInfo Info, string? Drop) Ahead(FrameInfo info, FrameInfo last, double step, TimeSpan since)
    {
        var passed = Pass(info, jump: step - since.TotalSeconds > SmallestJump);
        // Faster than it was taken: what the network or a frozen server held back comes in a burst.
        var burst = since.TotalSeconds < step / 2;
        return burst && _late > maxAge ? (passed.Info, "stale") : passed;
    }

    private (FrameInfo Info, string? Drop) Pass(FrameInfo info, bool jump)
    {
        if (jump) _arrivals.Reset();
        _late = _arrivals.Lateness(info);
        // A source that knows when its pictures were made is believed.
        if (info.Capture.Source == ClockSource.Arrival)
            info = info with { Capture = info.Capture with { Stamp = info.Received - _late } };
        (_last, _previous) = (info, info.Pts);
        return (info, null);
    }

    private long Extend(FrameInfo frame)
    {
        if (_raw is { } raw && frame.Timebase == new Timebase(1, Ticks))
        {
            foreach (var range in s_ranges)
            {
                if (Math.Abs(frame.Pts - raw + range) < NearWrap) _wrapped += range;
                else if (Math.Abs(frame.Pts - raw - range) < NearWrap) _wrapped -= range;
            }
        }

        _raw = frame.Pts;
        return frame.Pts + _wrapped;
    }

    private static FrameInfo ByArrival(FrameInfo info, FrameInfo last, TimeSpan since)
        => info with
        {
            Pts =
            last.Pts + Math.Max(1, (long)(since.TotalSeconds * info.Timebase.Denominator / info.Timebase.Numerator))
        };
}
