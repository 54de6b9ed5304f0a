using System.Diagnostics.Metrics;
using System.Globalization;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Golden;
using Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Hosting.Service;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Telemetry;

/// <summary>
/// What a scraper gets over HTTP from a host whose cameras do nothing; the test records the measurements.
/// </summary>
public sealed class MetricsPageTests : IAsyncDisposable
{
    private const string Yaml = ConfigFolder.Cameras + "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0' }\n";

    private readonly ReloadRig _rig = new();

    private PipelineMetrics Metrics => _rig.Services.GetRequiredService<PipelineMetrics>();

    [Fact]
    public async Task Scrape_LabelWithQuoteBackslashAndLineBreak_IsEscaped()
    {
        await StartAsync(_rig);
        Metrics.Camera("a\"b\\c\nd").TracksActive(1);
        Assert.Contains("dvis_tracks_active{camera=\"a\\\"b\\\\c\\nd\"} 1\n", _rig.Metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scrape_AsPrometheusAsks_IsTheSamePage()
    {
        await StartAsync(_rig);
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, _rig.Address + "/metrics");
        request.Headers.Add("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.4");
        using var response = await http.SendAsync(request);
        var page = await response.Content.ReadAsStringAsync();

        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        Assert.Equal(Ours(_rig.Metrics), Ours(page));
    }

    [Fact]
    public async Task Scrape_FromManyClients_GivesWholePages()
    {
        await StartAsync(_rig);
        await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(() =>
        {
            var page = _rig.Metrics;
            Assert.NotEmpty(MetricsCatalog.Of(page));
            Assert.Contains("dvis_tracks_active{camera=\"a\"} 0\n", page, StringComparison.Ordinal);
        })));
    }

    [Fact]
    public async Task Scrape_EndlessLabelValues_StayBounded()
    {
        await StartAsync(_rig);
        for (var i = 0; i < 1000; i++) Metrics.Camera("a").TrackStarted($"label{i}");
        for (var i = 0; i < 1000; i++) Metrics.BatchRun($"model{i}", 1);

        var lines = _rig.Metrics.Split('\n');
        var labels = Starting(lines, "dvis_tracks_started_total{");
        Assert.Equal(Metrics.LabelsMax + 1, labels.Count);
        Assert.Contains("dvis_tracks_started_total{camera=\"a\",label=\"other\"} 980", labels);
        var batches = Starting(lines, "dvis_inference_batch_size_count{");
        Assert.InRange(batches.Count, 2, 101);
        Assert.Single(batches, l => l.Contains("{otel_metric_overflow=\"true\"}", StringComparison.Ordinal));
    }

    /// <summary>
    /// 200 cameras in four names at a time, without a scrape: no series is left, and those of one that stays go on.
    /// </summary>
    [Fact]
    public async Task Keep_TwoHundredCamerasComeAndGo_LeaveNoSeries()
    {
        await StartAsync(_rig);
        var page = _rig.Services.GetRequiredService<MetricsPage>();
        for (var round = 0; round < 50; round++)
        {
            foreach (var camera in (string[])["a", .. Enumerable.Range(0, 4).Select(i => $"gone{round}-{i}")])
            {
                var metrics = Metrics.Camera(camera);
                metrics.Initialize();
                metrics.FramesProcessed("final");
                metrics.FrameLatency("final", 0.1);
            }

            var straggler = Metrics.Camera($"gone{round}-0");
            Metrics.Keep(["a"]);
            await page.DropEndedAsync();
            straggler.FramesProcessed("final");
        }

        var scraped = _rig.Metrics;
        Assert.DoesNotContain("gone", scraped, StringComparison.Ordinal);
        foreach (var name in (string[])["dvis_frames_processed_total", "dvis_frame_latency_seconds_count"])
            Assert.Contains($"{name}{{camera=\"a\",stage=\"final\"}} 50\n", scraped, StringComparison.Ordinal);
    }

    /// <summary>
    /// A camera that returns under its name begins at 0, and stands on the page once, also without a scrape in
    /// between.
    /// </summary>
    [Fact]
    public async Task Keep_CameraReturns_HasItsSeriesOnce()
    {
        await StartAsync(_rig);
        for (var life = 0; life < 2; life++)
        {
            Metrics.Keep(["a"]);
            await _rig.Services.GetRequiredService<MetricsPage>().DropEndedAsync();
            Metrics.Camera("b").Initialize();
            Metrics.Camera("b").FramesProcessed("final", 7);
        }

        var page = _rig.Metrics;
        Assert.NotEmpty(MetricsCatalog.Of(page)); // no series twice
        Assert.Contains("dvis_frames_processed_total{camera=\"b\",stage=\"final\"} 7", page.Split('\n'));
    }

    /// <summary>A device camera whose settings change is replaced under its name.</summary>
    [Fact]
    public async Task Scrape_DeviceCameraIsReplaced_HasItsAbandonedThreadsOnce()
    {
        await _rig.StartAsync(Desk(fps: 10));
        await _rig.ReloadAsync(Desk(fps: 20), "applied");

        Assert.Equal(
            ["dvis_source_abandoned_threads{camera=\"desk\"} 0"],
            Starting(_rig.Metrics.Split('\n'), "dvis_source_abandoned_threads"));

        static string Desk(int fps) => $"cameras: {{ desk: {{ device: /dev/not-there, v4l2: {{ fps: {fps} }} }} }}\n"
            + "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0' }\n";
    }

    [Fact]
    public async Task Scrape_ObservedGaugeThatHasNoValueNow_IsAbsent_AndComesBack()
    {
        await StartAsync(_rig);
        double? value = null;
        Metrics.Meter.CreateObservableGauge(
            "dvis.now_and_then", () => value is { } v ? [new(v)] : Array.Empty<Measurement<double>>());
        foreach (var now in (double?[])[7, null, 9])
        {
            value = now;
            var expected = string.Create(CultureInfo.InvariantCulture, $"dvis_now_and_then{{}} {now}");
            Assert.Equal(now is null ? [] : [expected], Starting(_rig.Metrics.Split('\n'), "dvis_now_and_then"));
        }
    }

    [Fact]
    public async Task Scrape_TwoHostsInOneProcess_EachHasItsOwn()
    {
        await using var other = new ReloadRig();
        await StartAsync(_rig);
        await StartAsync(other);
        other.Services.GetRequiredService<PipelineMetrics>().Camera("others").TracksActive(1);
        Assert.DoesNotContain("others", _rig.Metrics, StringComparison.Ordinal);
        Assert.Contains("dvis_tracks_active{camera=\"others\"} 1\n", other.Metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scrape_FiftyCameras_StayWithinTheBudget()
    {
        await StartAsync(_rig);
        for (var i = 0; i < 50; i++)
        {
            var camera = Metrics.Camera($"camera-{i}");
            camera.Initialize();
            foreach (var stage in new[] { "provisional", "final" }) camera.FrameLatency(stage, 0.1);
            camera.CaptureLatency(0.1);
            for (var label = 0; label < 3; label++) camera.TrackStarted($"label{label}");
        }

        var series = Ours(_rig.Metrics).Count(s => s.Contains("camera=\"camera-", StringComparison.Ordinal));
        Assert.InRange(series, 50 * 60, 50 * 110);
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private static Task StartAsync(ReloadRig rig) =>
        rig.StartAsync(Yaml, services => ScriptedCamera.Use(services, ScriptedCamera.UntilStoppedAsync));

    private static List<string> Starting(string[] lines, string start) =>
        [.. lines.Where(l => l.StartsWith(start, StringComparison.Ordinal))];

    /// <summary>Series without their values; without the runtime's.</summary>
    private static IEnumerable<string> Ours(string page) =>
        Starting(page.Split('\n'), "dvis_").Select(l => l[..l.LastIndexOf(' ')]);
}
