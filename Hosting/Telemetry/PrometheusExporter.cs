using System.Text;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>Collects when it is scraped. Scrapes at the same moment share one collection, and a short while after it.</summary>
[ExportModes(ExportModes.Pull)]
internal sealed class PrometheusExporter(TimeProvider time) : BaseExporter<Metric>, IPullMetricExporter
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private readonly MetricPage _metrics = new(MetricsPipeline.MaxSeriesPerMetric);   // under the lock where it says nothing else, as are the three below
    private byte[]? _page;
    private long _collected;
    private bool _exported;

    /// <summary>Set by the SDK's reader.</summary>
    public Func<int, bool>? Collect { get; set; }

    // On the thread that collects.
    public override ExportResult Export(in Batch<Metric> batch)
    {
        _metrics.Add(batch);
        _exported = true;
        return ExportResult.Success;
    }

    /// <exception cref="InvalidOperationException">The SDK could not collect.</exception>
    public byte[] Scrape()
    {
        lock (_lock)
        {
            if (_page is not null && time.GetElapsedTime(_collected) < Fresh) return _page;
            CollectNow();
            _collected = time.GetTimestamp();
            return _page = Encoding.UTF8.GetBytes(_metrics.Write());
        }
    }

    /// <inheritdoc cref="MetricPage.Observes"/>
    public void Observes(string instrument) => _metrics.Observes(instrument);

    /// <summary>Only these cameras have series from now on; what was measured of others is forgotten.</summary>
    public void Keep(IEnumerable<string> cameras)
    {
        lock (_lock)
        {
            // What the SDK holds of the others leaves it, and makes room.
            CollectNow();
            _metrics.Keep(cameras);
            _page = null;
        }
    }

    private void CollectNow()
    {
        _exported = false;
        if (Collect?.Invoke(5000) != true || !_exported) throw new InvalidOperationException("The metrics could not be collected.");
    }
}
