namespace Dvis.Streaming.Sources.Clocks;

/// <summary>Holds frames back until their media time has come. Falling behind moves the schedule:
/// frames never come in bursts.</summary>
internal sealed class MediaPacer(TimeProvider time)
{
    // A larger step is a jump of the timestamps, not a pause worth sitting through.
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(5);

    // Wake-ups that come a little late are made up for; more than this is a slow reader.
    private static readonly TimeSpan s_slack = TimeSpan.FromMilliseconds(50);

    private long _origin;
    private TimeSpan _offset;
    private bool _begun;

    /// <summary>Waits until <paramref name="media"/> is due; false when <paramref name="stop"/> came first.</summary>
    public async ValueTask<bool> WaitAsync(TimeSpan media, CancellationToken stop)
    {
        if (!_begun) Restart(media);
        var wait = media - _offset - time.GetElapsedTime(_origin);
        if (wait > s_longestWait || wait < -s_slack)
        {
            Restart(media);
            return !stop.IsCancellationRequested;
        }

        if (wait <= TimeSpan.Zero) return !stop.IsCancellationRequested;
        try
        {
            await Task.Delay(wait, time, stop);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>The next frame is due at once, whatever its timestamp.</summary>
    public void Reset() => _begun = false;

    private void Restart(TimeSpan media) => (_begun, _origin, _offset) = (true, time.GetTimestamp(), media);
}
