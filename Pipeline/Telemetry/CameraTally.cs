using System.Collections.Concurrent;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>Counts of one camera since it was added. Thread-safe.</summary>
public sealed class CameraTally(string name)
{
    private readonly ConcurrentDictionary<(string Stage, string Reason), long> _dropped = new();
    private readonly ConcurrentDictionary<string, long> _tracks = new(), _resets = new();
    private long _in, _provisional, _final;

    public string Name => name;

    public long FramesIn => Interlocked.Read(ref _in);

    /// <summary>Frames covered by a provisional result.</summary>
    public long Provisional => Interlocked.Read(ref _provisional);

    /// <summary>Frames covered by a final result.</summary>
    public long Final => Interlocked.Read(ref _final);

    public long TracksStarted => _tracks.Sum(t => t.Value);

    /// <summary>Tracks started by label.</summary>
    public IEnumerable<KeyValuePair<string, long>> TracksBy => _tracks;

    public long Epochs => Provisional == 0 ? 0 : _resets.Sum(r => r.Value) + 1;

    /// <summary>Epochs begun after the first by reason.</summary>
    public IEnumerable<KeyValuePair<string, long>> ResetsBy => _resets;

    public long Active { get => Interlocked.Read(ref field); set => Interlocked.Exchange(ref field, value); }

    public LatencyHistogram ProvisionalLatency { get; } = new();

    public LatencyHistogram FinalLatency { get; } = new();

    /// <summary>Latencies of the last provisional results, since the capture where that is known.</summary>
    public LatencySamples Recent { get; } = new();

    /// <summary>Latencies of the frames of the last final results, likewise.</summary>
    public LatencySamples RecentFinal { get; } = new();

    public long DroppedAt(string stage, string reason) => _dropped.GetValueOrDefault((stage, reason));

    /// <summary>Frames dropped by stage and reason.</summary>
    public IEnumerable<KeyValuePair<(string Stage, string Reason), long>> Dropped => _dropped;

    /// <summary>Frames dropped by reason, sorted; reasons without any are left out.</summary>
    public IEnumerable<KeyValuePair<string, long>> DroppedBy => _dropped
        .GroupBy(d => d.Key.Reason, (reason, of) => KeyValuePair.Create(reason, of.Sum(d => d.Value)))
        .Where(d => d.Value > 0).OrderBy(d => d.Key, StringComparer.Ordinal);

    public LatencyHistogram Latency(string stage) => stage == "final" ? FinalLatency : ProvisionalLatency;

    /// <summary>A frame came from the source.</summary>
    public void Received() => Interlocked.Increment(ref _in);

    public void Processed(string stage, long frames) =>
        Interlocked.Add(ref stage == "final" ? ref _final : ref _provisional, frames);

    public void Drop(string stage, string reason, long frames) => Add(_dropped, (stage, reason), frames);

    public void StartTracks(string label, long tracks) => Add(_tracks, label, tracks);

    public void Reset(string reason, long resets) => Add(_resets, reason, resets);

    private static void Add<T>(ConcurrentDictionary<T, long> counts, T key, long count) where T : notnull =>
        counts.AddOrUpdate(key, static (_, n) => n, static (_, old, n) => old + n, count);
}
