namespace Dvis.Streaming.Sources.Clocks;

/// <summary>
/// Filter that takes the jitter out of arrival times. A frame's delay is its arrival less its media time; the least
/// delay of the last ten seconds is that of a frame that nothing held up, and the excess over it is the lateness of a
/// frame. The window is short enough for the drift of a camera's clock (100 ppm: 1 ms) and for a rate that is off by a
/// percent (100 ms). What even the fastest frame took (exposure, encoder, network, decoder) cannot be known here. Not
/// thread-safe.
/// </summary>
internal sealed class ArrivalClock(TimeProvider time)
{
    private const int Slices = 10; // of a second each

    // Late by this much for this long while frames come at their pace: the way has become longer.
    private const double Late = 0.25;
    private static readonly TimeSpan s_longestLate = TimeSpan.FromSeconds(2);

    private readonly double[] _least = new double[Slices];
    private long _origin, _slice, _since;
    private bool _begun, _late;

    /// <summary>Discards all frames so far: the next one has another clock.</summary>
    public void Reset() => _begun = _late = false;

    /// <summary>Excess of this frame's delay over the least one.</summary>
    /// <param name="media">Media time in seconds.</param>
    /// <param name="receivedTicks">Monotonic arrival.</param>
    public TimeSpan Lateness(double media, long receivedTicks)
    {
        if (!_begun) Begin(receivedTicks);
        var arrived = time.GetElapsedTime(_origin, receivedTicks).TotalSeconds;
        var delay = arrived - media;
        for (; _slice < (long)arrived; _slice++) _least[(_slice + 1) % Slices] = double.PositiveInfinity;
        ref var now = ref _least[_slice % Slices];
        now = Math.Min(now, delay);
        var lateness = delay - _least.Min();
        if (lateness <= Late) _late = false;
        else if (!_late) (_late, _since) = (true, receivedTicks);
        else if (time.GetElapsedTime(_since, receivedTicks) > s_longestLate)
        {
            Begin(receivedTicks);
            _late = false;
            return TimeSpan.Zero;
        }

        return TimeSpan.FromSeconds(lateness);
    }

    private void Begin(long receivedTicks)
    {
        (_begun, _origin, _slice) = (true, receivedTicks, 0);
        _least.AsSpan().Fill(double.PositiveInfinity);
    }
}
