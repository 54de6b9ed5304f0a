using System.Collections.Concurrent;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>State and counts of one camera since it was added. Thread-safe.</summary>
public sealed class CameraTally(string name, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, long> _dropped = new();
    private long _in, _provisional, _final, _tracks, _resets, _active, _lastIn, _lastOut;
    private volatile string _state = "starting";

    public string Name => name;

    /// <summary>One of <see cref="CameraMetrics.States"/>.</summary>
    public string State
    {
        get => _state;
        set => _state = value;
    }

    public long FramesIn => Interlocked.Read(ref _in);

    /// <summary>Frames covered by a provisional result.</summary>
    public long Provisional => Interlocked.Read(ref _provisional);

    /// <summary>Frames covered by a final result.</summary>
    public long Final => Interlocked.Read(ref _final);

    public long TracksStarted => Interlocked.Read(ref _tracks);

    public long Epochs => Provisional == 0 ? 0 : Interlocked.Read(ref _resets) + 1;

    public long Active
    {
        get => Interlocked.Read(ref _active);
        set => Interlocked.Exchange(ref _active, value);
    }

    /// <summary>Monotonic time of the last frame and the last result; 0: none yet.</summary>
    public (long In, long Out) Last => (Interlocked.Read(ref _lastIn), Interlocked.Read(ref _lastOut));

    public LatencyHistogram ProvisionalLatency { get; } = new();

    public LatencyHistogram FinalLatency { get; } = new();

    /// <summary>Frames by the reason they were dropped for.</summary>
    public IEnumerable<KeyValuePair<string, long>> DroppedBy => _dropped.Where(d => d.Value > 0).OrderBy(d => d.Key, StringComparer.Ordinal);

    public LatencyHistogram Latency(string stage) => stage == "final" ? FinalLatency : ProvisionalLatency;

    /// <summary>A frame came from the source.</summary>
    public void Received()
    {
        Interlocked.Increment(ref _in);
        Interlocked.Exchange(ref _lastIn, time.GetTimestamp());
    }

    public void Processed(string stage, long frames)
    {
        if (frames == 0) return;
        Interlocked.Add(ref stage == "final" ? ref _final : ref _provisional, frames);
        Interlocked.Exchange(ref _lastOut, time.GetTimestamp());
    }

    public void Dropped(string reason, long frames) =>
        _dropped.AddOrUpdate(reason, static (_, n) => n, static (_, old, n) => old + n, frames);

    public void AddTracks(long tracks) => Interlocked.Add(ref _tracks, tracks);

    public void AddResets(long resets) => Interlocked.Add(ref _resets, resets);
}
