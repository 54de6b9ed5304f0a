namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>
/// Histogram of durations with logarithmic buckets: from one microsecond to 18 hours, a percentile is exact to 1/64
/// octave (1.1 %), rounded up. Fixed memory, thread-safe.
/// </summary>
public sealed class LatencyHistogram
{
    private const int StepsPerOctave = 64;
    private const int Octaves = 36;
    private const double Smallest = 1e-6;

    private readonly long[] _counts = new long[Octaves * StepsPerOctave];
    private long _count;

    public long Count => Interlocked.Read(ref _count);

    public void Record(double seconds)
    {
        var bucket = seconds <= Smallest
            ? 0
            : (int)Math.Min(_counts.Length - 1, Math.Log2(seconds / Smallest) * StepsPerOctave);
        Interlocked.Increment(ref _counts[bucket]);
        Interlocked.Increment(ref _count);
    }

    /// <summary>Seconds that this fraction of the durations does not exceed; 0 when there is none.</summary>
    public double Percentile(double fraction)
    {
        var rank = Math.Max(1, (long)Math.Ceiling(fraction * Count));
        long seen = 0;
        for (var i = 0; i < _counts.Length; i++)
            if ((seen += Interlocked.Read(ref _counts[i])) >= rank)
                return Smallest * Math.Pow(2, (i + 1.0) / StepsPerOctave);
        return 0;
    }
}
