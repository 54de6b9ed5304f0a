namespace Dvis.Streaming.Sources.Clocks;

/// <summary>Pacer of frames by their media time. Falling behind moves the schedule: no bursts.</summary>
internal sealed class MediaPacer(TimeProvider time)
{
    // A larger step is a jump of the timestamps and not a pause.
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(5);

    // Wake-ups that are a little late are made up for; more than this is a slow reader.
    private static readonly TimeSpan s_slack = TimeSpan.FromMilliseconds(50);

    private long _origin;
    private TimeSpan _offset;
    private bool _begun;

    /// <summary>Waits until <paramref name="media"/> is due; false when <paramref name="stop"/> came first.</summary>
    public async ValueTask<bool> WaitAsync(TimeSpan media, CancellationToken stop)
    {
        var wait = media - _offset - time.GetElapsedTime(_origin);
        if (!_begun || wait > s_longestWait || wait < -s_slack)
            (_begun, _origin, _offset) = (true, time.GetTimestamp(), media);
        else if (wait > TimeSpan.Zero)
            await Task.Delay(wait, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !stop.IsCancellationRequested;
    }

    /// <summary>The next frame is due at once, whatever its timestamp.</summary>
    public void Reset() => _begun = false;
}
