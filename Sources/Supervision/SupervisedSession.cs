using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Sources.Supervision;

/// <summary>
/// One session of a raw source under a watchdog. Failures become values: <see cref="NextAsync"/> returns null and
/// <see cref="Fault"/> has the reason. The watchdog runs during reads only, so that a slow reader is not a stall.
/// Before the first frame only silence of packets is one: key frames may be far apart.
/// </summary>
internal sealed class SupervisedSession : IAsyncDisposable
{
    // Silence is counted in parts. After a stop of the whole process (a suspended machine, SIGSTOP, a starved thread
    // pool) one part is over and not all of them, so that a camera whose frames wait in the pipe does not count as
    // silent.
    private const int Parts = 4;

    private readonly CancellationTokenSource _watchdog = new();
    private readonly CancellationTokenSource _either;
    private readonly ITimer _timer;
    private readonly CancellationToken _stop;
    private readonly IRawSource _source;
    private readonly TaskCompletionSource _undecoded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IAsyncEnumerator<RawFrame> _frames;
    private readonly TimeSpan _stallTimeout;
    private TimeSpan _wait;
    private int _silentParts;
    private long _packets; // before the first frame, at the last look
    private bool _disposed;

    /// <param name="firstWait">Longest wait for the first frame.</param>
    /// <param name="stallTimeout">Longest wait for each later one.</param>
    public SupervisedSession(
        IRawSource source, TimeSpan firstWait, TimeSpan stallTimeout, TimeProvider time, CancellationToken stop)
    {
        _timer = time.CreateTimer(_ => CountSilence(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _either = CancellationTokenSource.CreateLinkedTokenSource(stop, _watchdog.Token);
        (_stop, _source) = (stop, source);
        _frames = source.ReadAsync(_either.Token).GetAsyncEnumerator(CancellationToken.None);
        (_wait, _stallTimeout) = (firstWait, stallTimeout);
    }

    /// <summary>Frames so far.</summary>
    public long Frames { get; private set; }

    /// <summary>Completes when packets arrive and no frame of them could be decoded for some seconds.</summary>
    public Task Undecoded => _undecoded.Task;

    /// <summary>Reason of the end; null when it ended without a fault, was stopped, or has not ended.</summary>
    public SourceException? Fault { get; private set; }

    /// <summary>The next frame; null at the end.</summary>
    public async ValueTask<RawFrame?> NextAsync()
    {
        try
        {
            Volatile.Write(ref _silentParts, 0);
            _timer.Change(_wait / Parts, _wait / Parts);
            var more = await _frames.MoveNextAsync();
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            if (more)
            {
                Frames++;
                _wait = _stallTimeout;
                return _frames.Current;
            }
        }
        catch (OperationCanceledException) when (_either.IsCancellationRequested)
        {
            // Cancelled by the caller or by the watchdog: see below.
        }
        catch (SourceException e)
        {
            Fault = e;
        }
        catch (Exception e)
        {
            // A boundary: whatever goes wrong in one source must not reach the other cameras.
            Fault = new SourceException(SourceFault.Unknown, new Redactor().Clean($"{e.GetType().Name}: {e.Message}"));
        }

        if (_watchdog.IsCancellationRequested && !_stop.IsCancellationRequested)
        {
            var seconds = _wait.TotalSeconds.ToString("0.#", System.Globalization.CultureInfo.InvariantCulture);
            Fault = (Frames, Volatile.Read(ref _packets)) switch
            {
                (0, 0) => new SourceException(SourceFault.Timeout, $"No frame came within {seconds} s."),
                (0, _) => new SourceException(
                    SourceFault.Stalled, $"No packet came for {seconds} s; those before had no key frame."),
                _ => new SourceException(SourceFault.Stalled, $"No frame came for {seconds} s."),
            };
        }

        return null;
    }

    private void CountSilence()
    {
        if (Frames == 0 && _source.Packets is var packets && packets > _packets)
        {
            Volatile.Write(ref _packets, packets);
            Volatile.Write(ref _silentParts, 0);
            _undecoded.TrySetResult();
            return;
        }

        if (Interlocked.Increment(ref _silentParts) < Parts) return;
        try
        {
            _watchdog.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The session has ended meanwhile.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        _timer.Dispose(); // without waiting: this may run within its callback
        await _either.CancelAsync();
        await _frames.DisposeAsync();
        _either.Dispose();
        _watchdog.Dispose();
    }
}
