using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Hosting.State;

/// <summary>Figures of a camera over the last ten seconds.</summary>
/// <param name="DroppedShare">Share of the frames that were dropped because the model was too slow, 0 … 1.</param>
/// <param name="Reason">Reason of most of those drops, in snake case; null without any.</param>
/// <param name="Provisional">Latencies to the hand-over of the provisional results.</param>
/// <param name="Final">Latencies to the hand-over of the final results, per frame.</param>
/// <param name="FromCapture">True: the latencies start at the capture; false: at the receipt.</param>
internal sealed record RecentFigures(
    double FpsIn, double FpsOut, double DroppedShare, string? Reason, LatencyFigures Provisional, LatencyFigures Final,
    bool FromCapture, bool Overloaded)
{
    public static RecentFigures None { get; } = new(0, 0, 0, null, new(null, null), new(null, null), false, false);

    /// <summary>95th percentile of the provisional latencies in seconds; 0 without any.</summary>
    public double P95 => Provisional.P95 ?? 0;
}

/// <summary>Percentiles of latencies in seconds; null without any.</summary>
internal readonly record struct LatencyFigures(double? P50, double? P95)
{
    /// <summary>Percentiles of the samples that start at the capture, or at the receipt.</summary>
    public static LatencyFigures Of(IEnumerable<LatencySample> samples, bool fromCapture)
    {
        var sorted = samples.Where(l => l.FromCapture == fromCapture).Select(l => l.Seconds).Order().ToArray();
        return sorted.Length == 0 ? new(null, null) : new(At(sorted, 0.5), At(sorted, 0.95));
    }

    private static double At(double[] sorted, double share) => sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
}

/// <summary>Window over the counts of a camera, which one thread samples every second.</summary>
internal sealed class RecentWindow
{
    private static readonly TimeSpan s_length = TimeSpan.FromSeconds(10);

    // Dropped shares. Two, so that a camera at the limit does not change its state every second.
    private const double Begins = 0.05, Ends = 0.02;

    // Seconds with drops: fewer are a start, or a stall that is over.
    private const int Lasting = 3;

    private readonly CameraTally _counts;
    private readonly TimeProvider _time;
    private readonly Queue<Sample> _samples = new();
    private bool _overloaded;

    /// <summary>Begins now: the first figures are those since then.</summary>
    public RecentWindow(CameraTally counts, TimeProvider time)
    {
        (_counts, _time) = (counts, time);
        _samples.Enqueue(Now());
    }

    public RecentFigures Take()
    {
        var now = Now();
        _samples.Enqueue(now);
        // One sample as old as the window stays: the counts are its difference.
        while (_samples.Count > 2 && _time.GetElapsedTime(_samples.ElementAt(1).At, now.At) >= s_length)
            _samples.Dequeue();
        var first = _samples.Peek();
        var seconds = _time.GetElapsedTime(first.At, now.At).TotalSeconds;
        if (seconds == 0) return RecentFigures.None;
        var (full, stale, received) = (now.Full - first.Full, now.Stale - first.Stale, now.In - first.In);
        // What was dropped may have been received before.
        var share = Math.Min(1, (full + stale) / (double)Math.Max(1, received));
        var lasting = _samples.Zip(_samples.Skip(1)).Count(s => s.Second.Dropped > s.First.Dropped);
        _overloaded = _overloaded ? share >= Ends : share >= Begins && lasting >= Lasting;
        var reason = full + stale == 0 ? null : full >= stale ? "queue_full" : "stale";
        var provisional = _samples.Skip(1).SelectMany(s => s.Latencies).ToArray();
        var final = _samples.Skip(1).SelectMany(s => s.FinalLatencies).ToArray();
        var fromCapture = provisional.Any(l => l.FromCapture);
        return new(
            received / seconds, (now.Out - first.Out) / seconds, share, reason,
            LatencyFigures.Of(provisional, fromCapture), LatencyFigures.Of(final, fromCapture), fromCapture,
            _overloaded);
    }

    private Sample Now() => new(
        _time.GetTimestamp(), _counts.FramesIn, _counts.Provisional, _counts.DroppedAt("captured", "queue_full"),
        _counts.DroppedAt("segment", "stale"), _counts.Recent.Take(), _counts.RecentFinal.Take());

    private sealed record Sample(long At, long In, long Out, long Full, long Stale, LatencySample[] Latencies,
        LatencySample[] FinalLatencies)
    {
        public long Dropped => Full + Stale;
    }
}
