using System.Diagnostics.Metrics;
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

    private readonly ExporterCache _cache = new(provider);
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

    /// <summary>
    /// Ends the series of disposed meters. The SDK removes them after a collection that still has their last values;
    /// without it, a camera that returns could be on the page twice.
    /// </summary>
    public async Task DropEndedAsync()
    {
        // The first scrape may share a collection that began before.
        for (var i = 0; i < 2; i++)
            await _scrape(new DefaultHttpContext { RequestServices = services, Response = { Body = Stream.Null } });
        _cache.Clear();
    }

    private static MetricStreamConfiguration View(Instrument instrument, PipelineMetrics ours)
    {
        // Tests run several hosts in a process, with meters of the same name.
        var foreign = instrument.Meter.Scope is { } scope && scope != ours;
        if (foreign || IsMisnamed(instrument)) return MetricStreamConfiguration.Drop;
        var isOfCamera = instrument.Meter.Tags?.Any() == true;
        return new() { CardinalityLimit = isOfCamera ? Math.Max(MinSeriesOfCamera, ours.LabelsMax + 1) : MaxSeries };
    }

    /// <summary>
    /// True for gauges of the runtime that are typed as counters or end in "count", which promtool rejects because
    /// it is for histograms. <see cref="HostMetrics"/> replaces them.
    /// </summary>
    private static bool IsMisnamed(Instrument instrument) =>
        instrument.Name is "dotnet.thread_pool.thread.count" or "dotnet.thread_pool.queue.length"
        || (instrument.Name.EndsWith(".count", StringComparison.Ordinal)
            && instrument.GetType().Name.Contains("UpDown", StringComparison.Ordinal));
}
