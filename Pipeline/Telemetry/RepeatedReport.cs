using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>
/// Limit of log lines about an event that repeats, such as a full disk: the first one has a line, then at most one
/// after 1, 2, 4, ... seconds, up to 10 minutes. After a minute without the event it is new. One caller at a time.
/// </summary>
public sealed class RepeatedReport(TimeProvider time)
{
    private static readonly TimeSpan s_over = TimeSpan.FromMinutes(1);

    private readonly Backoff _pauses = new(new() { Max = TimeSpan.FromMinutes(10), Jitter = 0 }, Random.Shared);
    private long? _reported, _seen;
    private TimeSpan _pause;

    /// <summary>Counts one event; true when it is to be logged.</summary>
    public bool Pass()
    {
        var now = time.GetTimestamp();
        if (_seen is { } seen && time.GetElapsedTime(seen, now) >= s_over)
        {
            _pauses.Reset();
            _reported = null;
        }

        _seen = now;
        if (_reported is { } last && time.GetElapsedTime(last, now) < _pause) return false;
        _reported = now;
        _pause = _pauses.Next();
        return true;
    }
}
