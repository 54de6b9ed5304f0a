using System.Buffers;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>Collects when it is scraped. Scrapes at the same moment share one collection, and a short while after it.</summary>
[ExportModes(ExportModes.Pull)]
internal sealed class PrometheusExporter(TimeProvider time) : BaseExporter<Metric>, IPullMetricExporter
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private readonly MetricPage _metrics = new(MetricsPipeline.MaxSeriesPerMetric);   // under the lock where it says nothing else, as is all below
    private readonly ArrayBufferWriter<byte> _page = new();
    private long _collected;
    private bool _exported, _isFresh;

    /// <summary>Set by the SDK's reader.</summary>
    public Func<int, bool>? Collect { get; set; }

    // On the thread that collects.
    public override ExportResult Export(in Batch<Metric> batch)
    {
        _metrics.Add(batch);
        _exported = true;
        return ExportResult.Success;
    }

    /// <summary>Appends the page.</summary>
    /// <exception cref="InvalidOperationException">The SDK could not collect.</exception>
    public void Scrape(IBufferWriter<byte> output)
    {
        lock (_lock)
        {
            if (!_isFresh || time.GetElapsedTime(_collected) >= Fresh)
            {
                CollectNow();
                _page.ResetWrittenCount();
                _metrics.Write(_page);
                (_collected, _isFresh) = (time.GetTimestamp(), true);
            }

            output.Write(_page.WrittenSpan);
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
            _isFresh = false;
        }
    }

    private void CollectNow()
    {
        _exported = false;
        if (Collect?.Invoke(5000) != true || !_exported) throw new InvalidOperationException("The metrics could not be collected.");
    }
}
