using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>The SDK between the meters of this process and the exporter.</summary>
internal sealed class MetricsPipeline : IDisposable
{
    /// <summary>Label combinations of one metric (the SDK's default); further ones are counted together, marked <c>otel_metric_overflow</c>.</summary>
    public const int MaxSeriesPerMetric = 2000;

    private readonly MeterProvider _provider;

    public MetricsPipeline(PipelineMetrics metrics, PrometheusExporter exporter)
    {
        // The SDK hears every meter of the process by name. Another host in the process (tests run several) has meters of the same names.
        var ours = metrics.Meter.Scope;
        _provider = Sdk.CreateMeterProviderBuilder()
            .AddMeter(PipelineMetrics.MeterName, "System.Runtime")
            .AddView(instrument => View(instrument, ours, exporter))
            // Cumulative, the SDK would keep the series of every camera there ever was.
            .AddReader(new BaseExportingMetricReader(exporter) { TemporalityPreference = MetricReaderTemporalityPreference.Delta })
            .Build();
    }

    public void Dispose() => _provider.Dispose();

    private static MetricStreamConfiguration? View(Instrument instrument, object? ours, PrometheusExporter exporter)
    {
        if (instrument.IsObservable) exporter.Observes(instrument.Name);
        if (instrument.Meter.Scope is not null && instrument.Meter.Scope != ours) return MetricStreamConfiguration.Drop;
        return Misnamed(instrument) ? MetricStreamConfiguration.Drop : null;
    }

    /// <summary>
    /// The runtime calls two gauges of the thread pool counters, and ends gauges in "count", a suffix that Prometheus keeps for
    /// histograms (promtool rejects it). <see cref="ProcessMetrics"/> has the ones that matter.
    /// </summary>
    private static bool Misnamed(Instrument instrument) =>
        instrument.Name is "dotnet.thread_pool.thread.count" or "dotnet.thread_pool.queue.length"
        || (instrument.Name.EndsWith(".count", StringComparison.Ordinal) && instrument.GetType().Name.Contains("UpDown", StringComparison.Ordinal));
}
