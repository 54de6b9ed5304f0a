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
    private byte[]? _page;      // under the lock
    private long _collected;    // under the lock
    private string? _text;      // set by Export, on the thread that collects

    /// <summary>Set by the SDK's reader.</summary>
    public Func<int, bool>? Collect { get; set; }

    public override ExportResult Export(in Batch<Metric> batch)
    {
        _text = PrometheusText.Write(batch);
        return ExportResult.Success;
    }

    /// <exception cref="InvalidOperationException">The SDK could not collect.</exception>
    public byte[] Scrape()
    {
        lock (_lock)
        {
            if (_page is not null && time.GetElapsedTime(_collected) < Fresh) return _page;
            _text = null;
            if (Collect?.Invoke(5000) != true || _text is null) throw new InvalidOperationException("The metrics could not be collected.");
            _collected = time.GetTimestamp();
            return _page = Encoding.UTF8.GetBytes(_text);
        }
    }
}
