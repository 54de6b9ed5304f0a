using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Clocks;

/// <summary>
/// Takes the jitter out of arrival times. A picture's delay is the moment it arrived less its media time; the least
/// delay of the last ten seconds is that of a picture nothing held up, and what a picture took longer is its lateness.
/// The window is short enough for the drift of a camera's clock (100 ppm: 1 ms) and for a rate that is off by a percent
/// (100 ms). What even the fastest picture took (exposure, encoder, network, decoder) cannot be known from here. Not
/// thread-safe.
/// </summary>
internal sealed class ArrivalClock(TimeProvider time)
{
    private const int Slices = 10; // of a second each

    // Late by this much for this long while pictures come at their pace:
    // it is the way that has become longer, not the picture that is late.
    private const double Late = 0.25;
    private static readonly TimeSpan s_longestLate = TimeSpan.FromSeconds(2);

    private readonly double[] _least = new double[Slices];
    private long _origin, _slice, _since;
    private bool _begun, _late;

    /// <summary>Forgets everything: what comes next has another clock.</summary>
    public void Reset() => _begun = _late = false;

    /// <summary>How much longer than the fastest of late this frame took.</summary>
    public TimeSpan Lateness(FrameInfo frame)
    {
        if (!_begun) Begin(frame);
        var arrived = time.GetElapsedTime(_origin, frame.ReceivedTicks).TotalSeconds;
        var delay = arrived - frame.Timebase.ToSeconds(frame.Pts);
        for (; _slice < (long)arrived; _slice++) _least[(_slice + 1) % Slices] = double.PositiveInfinity;
        ref var now = ref _least[_slice % Slices];
        now = Math.Min(now, delay);
        var lateness = delay - _least.Min();
        if (lateness <= Late) _late = false;
        else if (!_late) (_late, _since) = (true, frame.ReceivedTicks);
        else if (time.GetElapsedTime(_since, frame.ReceivedTicks) > s_longestLate)
        {
            Begin(frame);
            _late = false;
            return TimeSpan.Zero;
        }

        return TimeSpan.FromSeconds(lateness);
    }

    private void Begin(FrameInfo frame)
    {
        (_begun, _origin, _slice) = (true, frame.ReceivedTicks, 0);
        _least.AsSpan().Fill(double.PositiveInfinity);
    }
}
