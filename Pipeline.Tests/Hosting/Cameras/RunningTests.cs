using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;

public sealed class RunningTests : IDisposable
{
    private readonly TestMetrics _own;
    private readonly ManualTime _time = new();
    private readonly MqttMetrics _mqtt;
    private readonly RunState _state;

    public RunningTests()
    {
        _own = new(record: false);
        var status = new MqttStatus();
        _mqtt = new(_own.Metrics.Meter, status);
        _state = new(status, _time) { Cameras = [new CameraBoard(Camera, _time)] };
    }

    private CameraMetrics Camera => _own.Metrics.Camera("a");

    [Theory]
    [InlineData(0.5, 0.500)]
    [InlineData(0.95, 0.950)]
    [InlineData(0.99, 0.990)]
    [InlineData(1.0, 1.000)]
    public void Percentile_OfAKnownSpread_IsRightToWithinItsResolution(double fraction, double expected)
    {
        var histogram = new LatencyHistogram();
        for (var i = 1; i <= 1000; i++) histogram.Record(i / 1000.0);
        Assert.InRange(histogram.Percentile(fraction), expected, expected * (1 + 1.2 / 64));
    }

    [Theory]
    [InlineData(0.5, 2)]
    [InlineData(0.34, 2)]
    [InlineData(0.33, 1)]
    [InlineData(0.95, 4)]
    public void Percentile_OfThree_IsReachedByTheShare(double fraction, double expected)
    {
        var histogram = new LatencyHistogram();
        foreach (var seconds in (double[])[1, 2, 4]) histogram.Record(seconds);

        Assert.InRange(histogram.Percentile(fraction), expected, expected * 1.011);
    }

    [Fact]
    public void Percentile_OfNothingAndOfExtremes_IsBounded()
    {
        var histogram = new LatencyHistogram();
        Assert.Equal(0, histogram.Percentile(.5));
        histogram.Record(-1);
        Assert.InRange(histogram.Percentile(.5), 0, 1.1e-6);
        histogram.Record(1e9);
        Assert.InRange(histogram.Percentile(1), 6e4, 7e4);
    }

    [Fact]
    public void Summary_ReportsWhatWasCounted()
    {
        Deliver();
        Camera.FrameDropped("captured", "queue_full", 3);
        Camera.TrackStarted("circle");
        Camera.TrackerReset("gap");
        Assert.Equal(
            [
                "a: 10 frames in, 7 processed, 5 final, 3 without a result (dropped: 3 queue_full)",
                "a: 2 epochs, 1 track started",
                "a: latency provisional p50 101.1 p95 101.1 p99 101.1 ms; final none",
                "mqtt: acknowledged by the broker tracks 7 of 7, final 1 of 1, event 0 of 0, state 0 of 0, masks 0 of "
                    + "0, snapshot 0 of 0, node 0 of 0, command 0 of 0",
            ],
            RunSummary.Lines(_state, mqtt: true));
        Assert.Null(RunSummary.Shortfall(_state, mqtt: true));
    }

    [Fact]
    public void Shortfall_NothingProcessed_SaysSo()
    {
        Camera.Tally.Received();
        Assert.Equal("no frame got a provisional result", RunSummary.Shortfall(_state, mqtt: false));
        Camera.FramesProcessed("provisional");
        Assert.Equal("no frame got a final result", RunSummary.Shortfall(_state, mqtt: false));
        Camera.FramesProcessed("final");
        Assert.Null(RunSummary.Shortfall(_state, mqtt: false));
        Assert.Equal("the broker acknowledged no provisional result", RunSummary.Shortfall(_state, mqtt: true));
    }

    [Theory]
    [InlineData("event", "sent", "the broker acknowledged 0 of 1 messages of the kind event")]
    [InlineData("state", "dropped", "1 MQTT messages dropped")]
    [InlineData("final", "failed", "1 MQTT messages failed")]
    public void Shortfall_OneMessageNotDelivered_SaysWhich(string kind, string outcome, string expected)
    {
        Deliver();
        _mqtt.Message(kind, outcome);
        Assert.Equal(expected, RunSummary.Shortfall(_state, mqtt: true));
    }

    [Fact]
    public async Task Health_FramesComeButNoResults_IsStuckAfterAWhile_AndRecovers()
    {
        using var folder = new ConfigFolder();
        using var health = new Health(new(folder.Load(ConfigFolder.Cameras)), _state, new(_time), _time);
        await health.StartAsync(CancellationToken.None);
        await Eventually.TrueAsync(() =>
        {
            Camera.Tally.Received();
            _time.Advance(TimeSpan.FromSeconds(1));
            return health.Live().Detail == "frames come in but no results go out: a";
        });

        Camera.FramesProcessed("provisional");
        await Eventually.TrueAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return health.Live().Healthy;
        });
        await health.StopAsync(CancellationToken.None);
    }

    [Fact]
    public void Summary_BrokerOfQos0Only_ReportsWhatWasSent()
    {
        _mqtt.Connected(true, acknowledges: false);
        Camera.FramesProcessed("provisional");
        Camera.FramesProcessed("final");
        Assert.Equal("the broker got no provisional result", RunSummary.Shortfall(_state, mqtt: true));
        _mqtt.Message("tracks", "sent", 7);
        Assert.Equal("the broker got no final result", RunSummary.Shortfall(_state, mqtt: true));
        _mqtt.Message("final", "sent", 3);
        Assert.Null(RunSummary.Shortfall(_state, mqtt: true));
        Assert.Equal(
            "mqtt: sent to the broker, which acknowledges nothing (QoS 0 only) tracks 7, final 3, event 0, state 0, "
            + "masks 0, snapshot 0, node 0, command 0", RunSummary.Lines(_state, mqtt: true).Last());
    }

    [Fact]
    public async Task StatusFeed_Status_LeavesWithEpochWarningsAndEvents()
    {
        var (published, board) = (new Collector(), _state.Cameras[0]);
        var warning = new CameraWarning(CameraWarningKind.ModelDomain, "as the test says");
        board.Restart([warning]);
        board.Epoch = "EPOCH";
        var feed = new StatusFeed(board, published, _time);
        feed.Post(Status(CameraState.Starting));
        feed.Post(Status(CameraState.Online));
        feed.Post(Status(CameraState.Online));
        feed.Post(Status(CameraState.Degraded));
        feed.Post(Status(CameraState.Online));
        feed.Post(Status(CameraState.Offline, SourceFault.AuthFailed));
        await feed.CompleteAsync();
        feed.Post(Status(CameraState.Online));

        Assert.All(published.Of<CameraStatus>(), s => Assert.Equal([warning], s.Warnings));
        Assert.All(published.Of<CameraStatus>(), s => Assert.Equal("EPOCH", s.Epoch));
        Assert.Equal(6, published.Of<CameraStatus>().Count);
        var events = published.Of<LifecycleEvent>();
        Assert.Equal([EventKind.CameraOnline, EventKind.CameraDegraded, EventKind.CameraRecovered,
            EventKind.CameraOffline], events.Select(e => e.Kind));
        Assert.Equal([1, 2, 3, 4], events.Select(e => e.Sequence));
        Assert.Equal("auth_failed", events[^1].Reason);
        // The tracks' epoch, once the camera has some: a camera that comes online begins another.
        Assert.Equal(["", "EPOCH", "EPOCH", "EPOCH"], events.Select(e => e.Epoch));
        Assert.Equal(26, Assert.Single(events.Select(e => e.Series).Distinct()).Length);
    }

    [Theory]
    [InlineData(CameraState.Starting, 0)]
    [InlineData(CameraState.Online, 1)]
    [InlineData(CameraState.Degraded, 1)]
    [InlineData(CameraState.Offline, 0)]
    [InlineData(CameraState.Disabled, 0)]
    public void Board_Status_IsWhatTheMetricsShow(CameraState state, int up)
    {
        using var measured = new TestMetrics();
        var board = new CameraBoard(measured.Metrics.Camera("a"), _time) { Status = Status(state) };
        Assert.Equal([up], measured.Of("dvis.camera.up", "camera=a"));
        Assert.Equal([1], measured.Of("dvis.camera.state", $"state={EnumName.Of(board.State)}"));
        Assert.Equal(1, measured.Of("dvis.camera.state").Sum());
    }

    public void Dispose() => _own.Dispose();

    private static CameraStatus Status(CameraState state, SourceFault reason = SourceFault.Ok) =>
        new("a", state, default, reason, null, 0, null, 0, 0, null, null, null);

    private void Deliver()
    {
        for (var i = 0; i < 10; i++) Camera.Tally.Received();
        Camera.FramesProcessed("provisional", 7);
        Camera.FramesProcessed("final", 5);
        Camera.FrameLatency("provisional", 0.1);
        foreach (var outcome in new[] { "sent", "acked" })
        {
            _mqtt.Message("tracks", outcome, 7);
            _mqtt.Message("final", outcome);
        }
    }

    private sealed class Collector : IPublisher
    {
        private readonly List<PipelineMessage> _messages = [];

        public List<T> Of<T>() => [.. _messages.OfType<T>()];

        public ValueTask PublishAsync(PipelineMessage message)
        {
            lock (_messages) _messages.Add(message);
            return ValueTask.CompletedTask;
        }
    }
}
