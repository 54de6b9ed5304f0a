namespace Dvis.Streaming.Sources.Clocks;

/// <summary>Limiter of the frame rate: a token bucket of two, which absorbs the jitter of arrivals.</summary>
/// <param name="perSecond">0: all.</param>
internal sealed class RateLimiter(double perSecond)
{
    private const double Capacity = 2;
    private double _tokens = 1;
    private double? _last;

    /// <param name="seconds">Time of the frame on any clock; a step back restarts the limiter.</param>
    public bool Allows(double seconds)
    {
        if (perSecond <= 0) return true;
        var passed = seconds - (_last ?? seconds);
        _last = seconds;
        _tokens = passed < 0 ? 1 : Math.Min(_tokens + (passed * perSecond), Capacity);
        if (_tokens < 1 - 1e-6) return false; // 0.1 s ten times is not quite 1 s
        _tokens -= 1;
        return true;
    }
}
