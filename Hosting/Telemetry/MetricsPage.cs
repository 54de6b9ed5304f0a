using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>
/// The page of all metrics: OpenTelemetry's SDK listens to the meters of this host, its exporter answers scrapes.
/// Thread-safe.
/// </summary>
internal sealed class MetricsPage(IServiceProvider services, MeterProvider provider)
{
    // The SDK's default of 1,000 instruments is reached at some 40 cameras; a place takes 16 bytes.
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
                // Scrapes at the same moment share one collection; a page kept longer would hide that a camera is gone.
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
        // Always the text format. Prometheus prefers OpenMetrics, which has a second series per counter: when it began.
        context.Request.Headers.Accept = default;
        return _scrape(context);
    }

    /// <summary>
    /// Ends the series of meters that have been disposed. The SDK lets go of them in a collection, which still has
    /// their last values; without one, a camera that returns could stand on the page twice.
    /// </summary>
    public async Task DropEndedAsync()
    {
        // The first may share a collection that began before.
        for (var i = 0; i < 2; i++)
            await _scrape(new DefaultHttpContext { RequestServices = services, Response = { Body = Stream.Null } });
        _cache.Forget();
    }

    private static MetricStreamConfiguration View(Instrument instrument, PipelineMetrics ours)
    {
        // Another host in the process (tests run several) has meters of the same name.
        var foreign = instrument.Meter.Scope is { } scope && scope != ours;
        if (foreign || IsMisnamed(instrument)) return MetricStreamConfiguration.Drop;
        var isOfCamera = instrument.Meter.Tags?.Any() == true;
        return new() { CardinalityLimit = isOfCamera ? Math.Max(MinSeriesOfCamera, ours.LabelsMax + 1) : MaxSeries };
    }

    /// <summary>
    /// The runtime calls two gauges of the thread pool counters, and ends gauges in "count", a suffix that Prometheus
    /// keeps for histograms (promtool rejects it). <see cref="HostMetrics"/> has the ones that matter.
    /// </summary>
    private static bool IsMisnamed(Instrument instrument) =>
        instrument.Name is "dotnet.thread_pool.thread.count" or "dotnet.thread_pool.queue.length"
        || (instrument.Name.EndsWith(".count", StringComparison.Ordinal)
            && instrument.GetType().Name.Contains("UpDown", StringComparison.Ordinal));
}
