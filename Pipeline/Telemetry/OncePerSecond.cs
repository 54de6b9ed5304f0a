namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>Limit of one log line per second, for what may happen with every frame. Not thread-safe.</summary>
public sealed class OncePerSecond(TimeProvider time)
{
    private long? _last;

    public bool Pass()
    {
        if (_last is { } last && time.GetElapsedTime(last) < TimeSpan.FromSeconds(1)) return false;
        _last = time.GetTimestamp();
        return true;
    }
}
