using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting;

public sealed class PrometheusTests : IDisposable
{
    private readonly TestMetrics _own = new(record: false);
    private readonly ManualTime _time = new();
    private readonly PrometheusExporter _exporter;
    private readonly MetricsPipeline _pipeline;

    public PrometheusTests()
    {
        _exporter = new PrometheusExporter(_time);
        _pipeline = new MetricsPipeline(_own.Metrics, _exporter);
    }

    private PipelineMetrics Metrics => _own.Metrics;

    [Fact]
    public void Scrape_CounterGaugeAndHistogram_IsTheFormatToTheLetter()
    {
        Metrics.FrameDropped("b", "captured", "queue_full", 2);
        Metrics.FrameDropped("a", "segment", "stale");
        Metrics.BatchRun("segmenter", 1);
        Metrics.BatchRun("segmenter", 3);
        Metrics.BatchRun("segmenter", 64);
        Metrics.WindowFinal("a", "refined", 1795173935.5);

        Assert.Equal(
            """
            # HELP dvis_final_through_timestamp_seconds Receive time (UTC) of the last frame covered by a final result.
            # TYPE dvis_final_through_timestamp_seconds gauge
            dvis_final_through_timestamp_seconds{camera="a"} 1795173935.5
            # HELP dvis_frames_dropped_total Frames discarded, by stage and reason.
            # TYPE dvis_frames_dropped_total counter
            dvis_frames_dropped_total{camera="a",reason="stale",stage="segment"} 1
            dvis_frames_dropped_total{camera="b",reason="queue_full",stage="captured"} 2
            # HELP dvis_inference_batch_size Frames a segmenter call.
            # TYPE dvis_inference_batch_size histogram
            dvis_inference_batch_size_bucket{model="segmenter",le="1"} 1
            dvis_inference_batch_size_bucket{model="segmenter",le="2"} 1
            dvis_inference_batch_size_bucket{model="segmenter",le="4"} 2
            dvis_inference_batch_size_bucket{model="segmenter",le="8"} 2
            dvis_inference_batch_size_bucket{model="segmenter",le="16"} 2
            dvis_inference_batch_size_bucket{model="segmenter",le="32"} 2
            dvis_inference_batch_size_bucket{model="segmenter",le="+Inf"} 3
            dvis_inference_batch_size_sum{model="segmenter"} 68
            dvis_inference_batch_size_count{model="segmenter"} 3
            # HELP dvis_refiner_windows_total Final results.
            # TYPE dvis_refiner_windows_total counter
            dvis_refiner_windows_total{camera="a",result="refined"} 1

            """,
            Ours(Scrape()));
    }

    [Fact]
    public void Scrape_LabelWithQuoteBackslashAndLineBreak_IsEscaped()
    {
        Metrics.TracksActive("a\"b\\c\nd", 1);
        Assert.Contains("dvis_tracks_active{camera=\"a\\\"b\\\\c\\nd\"} 1\n", Scrape(), StringComparison.Ordinal);
    }

    [Fact]
    public void Scrape_EveryVerb_HasTheAgreedName()
    {
        UseEveryVerb();
        var names = Scrape().Split('\n').Where(l => l.StartsWith("# TYPE dvis_", StringComparison.Ordinal)).Select(l => l[7..]);
        Assert.Equal(
            [
                "dvis_camera_state gauge", "dvis_camera_up gauge", "dvis_final_through_timestamp_seconds gauge",
                "dvis_frame_capture_latency_seconds histogram", "dvis_frame_latency_seconds histogram",
                "dvis_frames_dropped_total counter", "dvis_frames_processed_total counter", "dvis_inference_batch_size histogram",
                "dvis_mqtt_connected gauge", "dvis_mqtt_connects_total counter", "dvis_mqtt_disconnects_total counter", "dvis_mqtt_messages_total counter",
                "dvis_mqtt_publish_duration_seconds histogram", "dvis_mqtt_published_bytes_total counter",
                "dvis_outbox_disk_errors_total counter", "dvis_outbox_disk_ok gauge", "dvis_outbox_dropped_total counter",
                "dvis_queue_capacity gauge", "dvis_queue_length gauge", "dvis_refiner_windows_total counter",
                "dvis_sink_dropped_total counter", "dvis_sink_failures_total counter",
                "dvis_source_clock_offset_seconds gauge", "dvis_source_clock_synchronized gauge", "dvis_source_decode_errors_total counter",
                "dvis_source_frames_total counter", "dvis_source_last_frame_timestamp_seconds gauge", "dvis_source_received_bytes_total counter",
                "dvis_source_reconnects_total counter", "dvis_stage_duration_seconds histogram", "dvis_stage_queue_duration_seconds histogram",
                "dvis_tracker_resets_total counter", "dvis_tracks_active gauge", "dvis_tracks_ended_total counter",
                "dvis_tracks_revised_total counter", "dvis_tracks_started_total counter",
            ],
            names);
    }

    [Fact]
    public async Task Scrape_Everything_PleasesPromtool()
    {
        Assert.SkipUnless(MosquittoBroker.Executable("promtool") is not null, "promtool is not installed (Debian package prometheus).");
        UseEveryVerb();
        using var process = new ProcessMetrics(Metrics);
        EngineMetrics.RegisterBuild(Metrics);
        var (code, output) = await Tool.RunAsync("promtool", ["check", "metrics"], Scrape());
        Assert.Equal((0, ""), (code, output));
    }

    [Fact]
    public void Scrape_WithinAMoment_IsTheSamePage_AndLaterANewOne()
    {
        Metrics.TracksActive("a", 1);
        var first = Scrape();
        Metrics.TracksActive("a", 2);
        Assert.Equal(first, Scrape());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Contains("dvis_tracks_active{camera=\"a\"} 2\n", Scrape(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("ab")]
    public void Scrape_CharactersOfTwoHalves_StayWhole(string camera)
    {
        // Longer than any piece the page is made of, at an even and an odd place.
        camera += string.Concat(Enumerable.Repeat("\U0001F916", 20_000));
        Metrics.TracksActive(camera, 1);

        Assert.Contains($"camera=\"{camera}\"", Scrape(), StringComparison.Ordinal);
    }

    [Fact]
    public void Scrape_FromManyThreads_GivesWholePages()
    {
        UseEveryVerb();
        Parallel.For(0, 64, _ =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            var page = Scrape();
            Assert.Contains("# TYPE dvis_tracks_started_total counter\n", page, StringComparison.Ordinal);
            Assert.EndsWith("\n", page, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void Scrape_EndlessLabelValues_StayBounded()
    {
        for (var i = 0; i < 3 * MetricsPipeline.MaxSeriesPerMetric; i++) Metrics.TracksActive($"c{i}", 1);
        for (var i = 0; i < 1000; i++) Metrics.TrackStarted("a", $"label{i}");
        var lines = Scrape().Split('\n');
        Assert.InRange(lines.Count(l => l.StartsWith("dvis_tracks_active{", StringComparison.Ordinal)), 2, MetricsPipeline.MaxSeriesPerMetric + 1);
        var labels = lines.Where(l => l.StartsWith("dvis_tracks_started_total{", StringComparison.Ordinal)).ToList();
        Assert.Equal(Metrics.LabelsMax + 1, labels.Count);
        Assert.Contains("dvis_tracks_started_total{camera=\"a\",label=\"other\"} 980", labels);
    }

    [Fact]
    public void Keep_CamerasComeAndGoForMonths_OnlyThoseThatAreHereHaveSeries_AndTheirCountsGoOn()
    {
        for (var round = 0; round < 10; round++)
        {
            string[] here = ["stays", .. Enumerable.Range(0, MetricsPipeline.MaxSeriesPerMetric / 4).Select(i => $"c{round}-{i}")];
            _exporter.Keep(here);
            foreach (var camera in here)
            {
                Metrics.FramesProcessed(camera, "final");
                Metrics.FrameLatency(camera, "final", 0.1);
                Metrics.TracksActive(camera, round);
            }

            Metrics.FramesProcessed("straggler", "final");
        }

        _exporter.Keep(["stays"]);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(
            [
                "dvis_frame_latency_seconds_count{camera=\"stays\",stage=\"final\"} 10", "dvis_frame_latency_seconds_sum{camera=\"stays\",stage=\"final\"} 1",
                "dvis_frames_processed_total{camera=\"stays\",stage=\"final\"} 10", "dvis_tracks_active{camera=\"stays\"} 9",
            ],
            Scrape().Split('\n').Where(l => l.StartsWith("dvis_", StringComparison.Ordinal) && !l.Contains("_bucket", StringComparison.Ordinal)).Select(l => l.Replace("0.9999999999999999", "1", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public void Scrape_ObservedGaugeThatHasNoValueNow_IsAbsent_AndComesBack()
    {
        double? value = 7;
        Metrics.Meter.CreateObservableGauge("dvis.now_and_then", () => value is { } v ? [new System.Diagnostics.Metrics.Measurement<double>(v)] : Array.Empty<System.Diagnostics.Metrics.Measurement<double>>());
        foreach (var (now, lines) in ((double?, int)[])[(7, 1), (null, 0), (9, 1)])
        {
            value = now;
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(lines, Scrape().Split('\n').Count(l => l == $"dvis_now_and_then {now}"));
            Assert.Equal(lines, Scrape().Split('\n').Count(l => l.StartsWith("dvis_now_and_then", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void Scrape_FiftyCameras_StayWithinTheBudget()
    {
        for (var i = 0; i < 50; i++)
        {
            var camera = $"camera-{i}";
            Metrics.Initialize(camera);
            foreach (var stage in new[] { "provisional", "final" }) Metrics.FrameLatency(camera, stage, 0.1);
            Metrics.CaptureLatency(camera, 0.1);
            Metrics.FrameReceived(camera, 1, 1);
            for (var label = 0; label < 3; label++) Metrics.TrackStarted(camera, $"label{label}");
        }

        Metrics.InitializeMqtt();
        var series = Scrape().Split('\n').Count(l => l.StartsWith("dvis_", StringComparison.Ordinal));
        Assert.InRange(series, 50 * 60, 50 * 110);
    }

    [Theory]
    [InlineData("dvis.frame.latency", "s", false, "dvis_frame_latency_seconds")]
    [InlineData("dvis.source.received", "By", true, "dvis_source_received_bytes_total")]
    [InlineData("dvis.frames.dropped", "{frame}", true, "dvis_frames_dropped_total")]
    [InlineData("process.cpu", "s", true, "process_cpu_seconds_total")]
    [InlineData("a.bytes", "By", false, "a_bytes")]
    [InlineData("cpu.load", "1", false, "cpu_load_ratio")]
    [InlineData("fill", "%", false, "fill_percent")]
    [InlineData("calls", "1", true, "calls_total")]
    [InlineData("a-b..c/", null, false, "a_b_c")]
    [InlineData("9lives", "", false, "_9lives")]
    public void Of_NameAndUnit_FollowsTheRules(string instrument, string? unit, bool counter, string expected) =>
        Assert.Equal(expected, MetricName.Of(instrument, unit, counter));

    public void Dispose()
    {
        _pipeline.Dispose();
        _own.Dispose();
    }

    private string Scrape() => _exporter.Text();

    /// <summary>Without the runtime's own.</summary>
    private static string Ours(string page) =>
        string.Concat(page.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => l.Contains("dvis_", StringComparison.Ordinal)).Select(l => l + "\n"));

    private void UseEveryVerb()
    {
        Metrics.SourceClock("a", 0.25);
        Metrics.Initialize("a");
        Metrics.InitializeMqtt();
        Metrics.FrameReceived("a", 10, 1);
        Metrics.SourceReconnected("a", "timeout");
        Metrics.FrameLatency("a", "final", 1);
        Metrics.CaptureLatency("a", 1);
        Metrics.StageDuration("track", 1);
        Metrics.StageQueued("segment", 1);
        Metrics.BatchRun("segmenter", 1);
        Metrics.TrackStarted("a", "circle");
        Metrics.TrackEnded("a", "circle");
        Metrics.WindowFinal("a", "refined", 1);
        Metrics.QueueLength("a", "captured", 1, 2);
        Metrics.MqttAcknowledged(1, 0.1);
        Metrics.MqttConnection(true);
        Metrics.MqttDisconnect("connection_lost");
        Metrics.OutboxDisk(true);
        Metrics.SinkDropped("mqtt", "queue_full");
        Metrics.SinkFailed("mqtt");
    }
}
