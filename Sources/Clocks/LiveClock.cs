using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Clocks;

/// <summary>
/// Judge of the clock of one session of a live source, which may be wrong in any way. Frames that pass are in order:
/// each is later than the one before, or begins another stretch of time (a jump), which the pipeline takes for a new
/// epoch. Not thread-safe.
/// </summary>
/// <param name="maxAge">A frame out of a backlog is dropped when it is older than this; null: none is.</param>
internal sealed class LiveClock(TimeSpan? maxAge, TimeProvider time)
{
    private const int Ticks = 90_000;

    // Seconds. A step back of this length is a jump at once; a shorter one may be a frame out of order.
    private const double SmallestJump = 5;

    // Some servers send their first frames twice, before and after PLAY: a step back of this many seconds within these
    // frames is such a repetition and no jump.
    private const int FirstFrames = 5;
    private const double LongestRepetition = 0.5;

    // Ticks. A step is a wrap when it is this near to the range of the clock.
    private const long NearWrap = 60 * Ticks;

    // A clock that has not advanced for this long is unreliable.
    private static readonly TimeSpan s_longestStop = TimeSpan.FromSeconds(1);

    // RTP's clock has 32 bits, that of MPEG-TS in RTP 33.
    private static readonly long[] s_ranges = [1L << 33, 1L << 32];

    private readonly ArrivalClock _arrivals = new(time);
    private bool _begun;
    private int _passed;
    private long _last, _lastTicks; // of the last frame that passed: extended timestamp, arrival
    private TimeSpan _late;         // its lateness
    private long? _raw;             // timestamp of the last frame as it came
    private long _wrapped;          // sum of the wraps so far
    private long _previous;         // extended timestamp of the last frame, also when it was dropped

    /// <summary>The camera's clock stands still or runs backwards: timestamps follow the arrival, to the end of the
    /// session.</summary>
    public bool IsUnreliable { get; private set; }

    /// <param name="pts">Media time in ticks of <paramref name="timebase"/>, as it came.</param>
    /// <param name="receivedTicks">Monotonic arrival.</param>
    public Verdict Judge(long pts, Timebase timebase, long receivedTicks)
    {
        pts = Extend(pts, timebase);
        if (!_begun) return Pass(pts, timebase, receivedTicks, jump: true);
        var since = time.GetElapsedTime(_lastTicks, receivedTicks);
        if (IsUnreliable) return Pass(ByArrival(timebase, since), timebase, receivedTicks, jump: true);

        var before = _previous;
        _previous = pts;
        var step = timebase.ToSeconds(pts - _last);
        if (step > 0)
        {
            var passed = Pass(pts, timebase, receivedTicks, jump: step - since.TotalSeconds > SmallestJump);
            // Faster than it was captured: what the network or a frozen server held back comes in a burst.
            var burst = since.TotalSeconds < step / 2;
            return burst && _late > maxAge ? passed with { Drop = "stale" } : passed;
        }

        // Behind the last one, but going on from the one before: the clock was set back.
        var isRepetition = _passed <= FirstFrames && step >= -LongestRepetition;
        if (step <= -SmallestJump || (step < 0 && before < pts && before < _last && !isRepetition))
            return Pass(pts, timebase, receivedTicks, jump: true);
        if (since < s_longestStop) return new(pts, TimeSpan.Zero, step == 0 ? "duplicate" : "out_of_order");
        IsUnreliable = true;
        return Pass(ByArrival(timebase, since), timebase, receivedTicks, jump: true);
    }

    private Verdict Pass(long pts, Timebase timebase, long receivedTicks, bool jump)
    {
        if (jump) _arrivals.Reset();
        _late = _arrivals.Lateness(timebase.ToSeconds(pts), receivedTicks);
        (_begun, _last, _lastTicks, _previous) = (true, pts, receivedTicks, pts);
        _passed++;
        return new(pts, _late, Drop: null);
    }

    private long Extend(long pts, Timebase timebase)
    {
        if (_raw is { } raw && timebase == new Timebase(1, Ticks))
        {
            foreach (var range in s_ranges)
            {
                if (Math.Abs(pts - raw + range) < NearWrap) _wrapped += range;
                else if (Math.Abs(pts - raw - range) < NearWrap) _wrapped -= range;
            }
        }

        _raw = pts;
        return pts + _wrapped;
    }

    private long ByArrival(Timebase timebase, TimeSpan since)
        => _last + Math.Max(1, (long)(since.TotalSeconds * timebase.Denominator / timebase.Numerator));

    /// <summary>Judgement of one frame.</summary>
    /// <param name="Pts">Timestamp, extended over wraps.</param>
    /// <param name="Late">Excess over the time that the fastest frames took.</param>
    /// <param name="Drop">Reason why the frame must be dropped, in snake case; null: it passes.</param>
    internal readonly record struct Verdict(long Pts, TimeSpan Late, string? Drop);
}
