using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Hosting.Service;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Supervision;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Golden;

/// <summary>
/// The metrics of the shipped sample as a scraper gets them over HTTP: names, types, help, labels and buckets.
/// </summary>
[Collection(nameof(Alone))]
public sealed class MetricsGoldenTests
{
    [Fact]
    public async Task Scrape_Sample_HasTheAgreedMetrics()
    {
        await using var daemon = await SampleDaemon.StartAsync("vis", "5");
        await daemon.CommandAsync();
        await daemon.LoseBrokerAsync();
        RecordTheRare(daemon.Rig);
        GC.Collect(); // the runtime has some metrics only after one
        var page = "";
        await Eventually.TrueAsync(async () => IsWaiting(page = await ScrapeAsync(daemon.Rig)), "messages wait");

        await GoldenFile.CheckAsync("metrics.txt", MetricsCatalog.Of(page));
        Assert.SkipUnless(
            MosquittoBroker.Executable("promtool") is not null,
            "promtool is not installed (Debian package prometheus).");
        Assert.Equal((0, ""), await Tool.RunAsync("promtool", ["check", "metrics"], page));
    }

    private static async Task<string> ScrapeAsync(ReloadRig rig)
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri(rig.Address + "/metrics"));
    }

    /// <summary>Measurements that a run without failures does not make.</summary>
    private static void RecordTheRare(ReloadRig rig)
    {
        var metrics = rig.Services.GetRequiredService<PipelineMetrics>();
        var source = new SourceMetrics(metrics.Camera("a"));
        source.Reconnected("timeout");
        source.Clock(0.25);
        metrics.Camera("a").CaptureLatency(0.1);
        metrics.Camera("a").ZoneEvent("track_zone_entered", "provisional");
        var delivery = new DeliveryMetrics(metrics.Meter);
        delivery.Dropped("mqtt", "queue_full");
        delivery.Failed("mqtt");
    }

    private static bool IsWaiting(string page) =>
        ((string[])
            ["dvis_mqtt_connected{} 0\n", "dvis_mqtt_disconnects_total{", "dvis_outbox_oldest_timestamp_seconds{"])
        .All(part => page.Contains("\n" + part, StringComparison.Ordinal));
}
