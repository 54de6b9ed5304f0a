using System.Diagnostics.Metrics;
using System.Reflection;
using Dvis.Streaming.Pipeline.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>Page of all metrics: OpenTelemetry's SDK listens to the meters of this host, and its exporter answers
/// scrapes. Thread-safe.</summary>
internal sealed class MetricsPage(IServiceProvider services, MeterProvider provider)
{
    // The SDK's default of 1,000 instruments is reached at some 40 cameras; each takes 16 bytes.
    private const int MaxInstruments = 20_000;

    // Series of one instrument; further ones are counted together, marked otel_metric_overflow. The SDK allocates all
    // of them at once.
    private const int MaxSeries = 100, MinSeriesOfCamera = 32;

    private readonly RequestDelegate _scrape = new ApplicationBuilder(services)
        .UseOpenTelemetryPrometheusScrapingEndpoint(
            provider, static _ => true, path: null, configureBranchedPipeline: null, optionsName: null)
        .Build();

    public static void Add(IServiceCollection services)
    {
        services.AddSingleton<MetricsPage>();
        services.AddOpenTelemetry().WithMetrics(builder => builder
            .AddMeter(PipelineMetrics.MeterName, "System.Runtime")
            .SetMaxMetricStreams(MaxInstruments)
            .AddPrometheusExporter(exporter =>
            {
                (exporter.ScopeInfoEnabled, exporter.TargetInfoEnabled) = (false, false);
                // Simultaneous scrapes share one collection; a cached page could show a camera that is gone.
                exporter.ScrapeResponseCacheDurationMilliseconds = 0;
            }));
        services.ConfigureOpenTelemetryMeterProvider((provider, builder) =>
        {
            var ours = provider.GetRequiredService<PipelineMetrics>();
            builder.AddView(instrument => View(instrument, ours));
        });
    }

    public Task WriteAsync(HttpContext context)
    {
        // Always the text format: OpenMetrics, which Prometheus prefers, adds a series with the start of each counter.
        context.Request.Headers.Accept = default;
        return _scrape(context);
    }

    /// <summary>Ends the series of disposed meters, which the SDK removes after one more collection.</summary>
    public async Task DropEndedAsync()
    {
        // The first scrape may share a collection that began before.
        for (var i = 0; i < 2; i++)
            await _scrape(new DefaultHttpContext { RequestServices = services, Response = { Body = Stream.Null } });
        ClearExporter();
    }

    /// <summary>
    /// Clears the exporter's cache of the first 1,024 instruments with all their series, also of ended meters. The
    /// exporter has no method for it, so this uses reflection; with a version that is built differently it does
    /// nothing, and CameraChurnTests fails.
    /// </summary>
    private void ClearExporter()
    {
        const BindingFlags members = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
        var found = provider.GetType().GetProperty("Reader", members)?.GetValue(provider);
        if (found is not BaseExportingMetricReader reader) return;
        var exporter = typeof(BaseExportingMetricReader).GetField("exporter", members)?.GetValue(reader);
        var owner = exporter?.GetType().GetProperty("CollectionManager", members)?.GetValue(exporter);
        var cache = owner?.GetType().GetField("metricsCache", members);
        var count = owner?.GetType().GetField("metricsCacheCount", members);
        if (cache is null || count is null) return;
        // A new object, because a scrape may be using the old one.
        cache.SetValue(owner, Activator.CreateInstance(cache.FieldType));
        count.SetValue(owner, 0);
    }

    private static MetricStreamConfiguration View(Instrument instrument, PipelineMetrics ours)
    {
        // Tests run several hosts in a process, with meters of the same name.
        var foreign = instrument.Meter.Scope is { } scope && scope != ours;
        if (foreign || IsMisnamed(instrument)) return MetricStreamConfiguration.Drop;
        var isOfCamera = instrument.Meter.Tags?.Any() == true;
        return new() { CardinalityLimit = isOfCamera ? Math.Max(MinSeriesOfCamera, ours.LabelsMax + 1) : MaxSeries };
    }

    /// <summary>True for gauges of the runtime that are typed as counters or have the suffix "count" of histograms;
    /// promtool rejects them, and <see cref="HostMetrics"/> replaces them.</summary>
    private static bool IsMisnamed(Instrument instrument) =>
        instrument.Name is "dotnet.thread_pool.thread.count" or "dotnet.thread_pool.queue.length"
        || (instrument.Name.EndsWith(".count", StringComparison.Ordinal)
            && instrument.GetType().Name.Contains("UpDown", StringComparison.Ordinal));
}
