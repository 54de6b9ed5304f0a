namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>Latencies since the last <see cref="Take"/>, at most the newest of them. Thread-safe.</summary>
public sealed class LatencySamples
{
    private const int Capacity = 1024;

    private readonly Lock _gate = new();
    private readonly LatencySample[] _newest = new LatencySample[Capacity];
    private long _count;

    public void Add(LatencySample sample)
    {
        lock (_gate) _newest[_count++ % Capacity] = sample;
    }

    public LatencySample[] Take()
    {
        lock (_gate)
        {
            var taken = _newest[..(int)Math.Min(_count, Capacity)];
            _count = 0;
            return taken;
        }
    }
}

/// <summary>Latency of one frame's result.</summary>
/// <param name="FromCapture">True: since the capture; false: since the decoded frame.</param>
public readonly record struct LatencySample(double Seconds, bool FromCapture);
