namespace Dvis.Streaming.Sinks.Mqtt.Outbox;

/// <summary>Count of drops that is due for a report at most once per second. Not thread-safe.</summary>
internal sealed class DropTally(TimeProvider time)
{
    private long _count;
    private long? _reported;

    /// <summary>Drops since the last report when one is due, else 0.</summary>
    public long Add(long count)
    {
        _count += count;
        if (_reported is { } last && time.GetElapsedTime(last) < TimeSpan.FromSeconds(1)) return 0;
        _reported = time.GetTimestamp();
        (count, _count) = (_count, 0);
        return count;
    }
}
