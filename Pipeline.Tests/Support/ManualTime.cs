namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Time that passes when the test says so. Ticks of 1/3,000,000 s:
/// whoever takes them for anything else is wrong.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<Timer> _timers = [];
    private TimeSpan _elapsed;

    public override long TimestampFrequency => 3_000_000;

    public override long GetTimestamp() => Ticks(_elapsed);

    public override DateTimeOffset GetUtcNow() => Some.Now + _elapsed;

    public static long Ticks(TimeSpan span) => (long)(span.TotalSeconds * 3_000_000);

    public void Advance(TimeSpan span)
    {
        Timer[] due;
        lock (_gate)
        {
            _elapsed += span;
            due = [.. _timers.Where(t => t.Due <= _elapsed)];
            foreach (var timer in due) _timers.Remove(timer);
        }

        foreach (var timer in due) timer.Fire();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        public TimeSpan Due { get; private set; }

        public void Fire()
        {
            if (_period > TimeSpan.Zero) Change(_period, _period);
            callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                time._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan) return true;
                _period = period;
                Due = time._elapsed + dueTime;
                time._timers.Add(this);
                return true;
            }
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
