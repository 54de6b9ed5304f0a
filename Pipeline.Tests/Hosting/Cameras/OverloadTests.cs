using System.Text.Json;
using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Hosting.Service;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;

/// <summary>Counts as a camera makes them, second by second, on a clock that the test moves.</summary>
public sealed class OverloadTests : IDisposable
{
    private readonly TestMetrics _own = new(record: false);
    private readonly ManualTime _time = new();
    private readonly LogProbe<OverloadWatch> _log = new();
    private readonly RunState _state;
    private readonly OverloadWatch _watch;

    public OverloadTests()
    {
        _state = new(new MqttStatus(), _time) { Cameras = [Board("a")], Ready = true };
        var fleet = new CameraFleet(
            _state, _own.Metrics, new(_time), (_, _, _) => throw new InvalidOperationException(), _time,
            NullLoggerFactory.Instance);
        _watch = new OverloadWatch(_state, fleet, _time, _log);
    }

    private RecentFigures Recent => _state.Cameras[0].Recent;

    public void Dispose()
    {
        _watch.Dispose();
        _own.Dispose();
    }

    [Fact]
    public void Tick_OverloadForAMinute_IsLoggedAtGrowingIntervalsAndItsEndOnce()
    {
        var lines = new List<(int Second, string Text)>();
        for (var second = 1; second <= 120; second++)
        {
            if (second is <= 60 or > 75) Second("a", received: 25, processed: 10, full: 15);
            else Second("a", received: 25, processed: 25);
            foreach (var entry in _log.Entries.Skip(lines.Count)) lines.Add((second, entry.Text));
        }

        Assert.Equal([3, 13, 33, 70, 80, 90, 110], lines.Select(l => l.Second));
        Assert.Equal(
            "Camera a: overloaded, 60 % of the frames of the last 10 s were dropped (queue_full): 10.0 of 25.0 frames "
                + "per second have results. What helps: rate.max_fps 10 for this camera, fewer cameras on this "
                + "machine, or a GPU; see docs/sizing.md.",
            lines[0].Text);
        Assert.Equal("Camera a: no longer overloaded.", lines[3].Text);
        Assert.All(lines.Zip(lines.Skip(1)), pair => Assert.True(pair.Second.Second - pair.First.Second >= 10));
    }

    /// <summary>Results of frames that were received before make up for the drops.</summary>
    [Fact]
    public void Tick_AsManyResultsAsFrames_AreNotReported()
    {
        for (var second = 1; second <= 13; second++) Second("a", received: 25, processed: 25, full: 2);

        Assert.Equal(2, _log.Entries.Count);
        Assert.All(_log.Entries, e => Assert.StartsWith(
            "Camera a: overloaded, 8 % of the frames of the last 10 s were dropped (queue_full). What helps: "
                + "rate.max_fps 25 ", e.Text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(100, 5, 0, true, "queue_full")]
    [InlineData(100, 0, 5, true, "stale")]
    [InlineData(100, 2, 3, true, "stale")]
    [InlineData(100, 4, 0, false, "queue_full")]
    [InlineData(100, 0, 0, false, null)]
    public void Tick_ShareDropped_IsOverloadFromOneInTwenty(
        int received, int full, int stale, bool overloaded, string? reason)
    {
        for (var second = 1; second <= 3; second++) Second("a", received, received - full - stale, full, stale);

        Assert.Equal((overloaded, reason), (Recent.Overloaded, Recent.Reason));
        Assert.Equal((full + stale) / (double)received, Recent.DroppedShare, 6);
        Assert.Equal((received, received - full - stale), (Recent.FpsIn, Recent.FpsOut));
    }

    [Fact]
    public void Tick_DropsOfTwoSecondsOnly_AreNoOverload()
    {
        for (var second = 1; second <= 10; second++)
            Second("a", 25, second <= 2 ? 0 : 25, full: second <= 2 ? 25 : 0);

        Assert.Equal((false, 0.2), (Recent.Overloaded, Math.Round(Recent.DroppedShare, 6)));
        Assert.Empty(_log.Entries);
    }

    [Fact]
    public void Tick_DropsThatAreWantedOrOfTheSource_AreNoOverload()
    {
        for (var second = 1; second <= 5; second++)
        {
            foreach (var reason in (string[])["rate_limit", "duplicate", "out_of_order", "stale"])
                _own.Metrics.Camera("a").FrameDropped("source", reason, 20);
            Second("a", 100, 20);
        }

        Assert.Equal((false, 0.0, null), (Recent.Overloaded, Recent.DroppedShare, Recent.Reason));
    }

    /// <summary>It begins at 5 % and ends below 2 %: a camera between them stays as it is.</summary>
    [Theory]
    [InlineData(2, true)]
    [InlineData(1, false)]
    public void Tick_FewerDropsThanBefore_EndOnlyBelowTheLowerLimit(int full, bool overloaded)
    {
        for (var second = 1; second <= 5; second++) Second("a", 100, 50, full: 50);
        for (var second = 1; second <= 12; second++) Second("a", 100, 100 - full, full);

        Assert.Equal(overloaded, Recent.Overloaded);
    }

    [Fact]
    public void Tick_Latencies_AreThoseOfTheLastTenSeconds()
    {
        Second("a", 1, 1, latencies: [9]);
        for (var second = 1; second <= 10; second++)
        {
            Assert.Equal(9, Recent.P95);
            Second("a", 2, 2, latencies: [0.1, 0.2]);
        }

        Assert.Equal((0.2, false), (Recent.P95, Recent.FromCapture));
        for (var second = 1; second <= 10; second++) Second("a", 1, 0);
        Assert.Equal(0, Recent.P95);
    }

    [Theory]
    [InlineData(20, 0.019)]
    [InlineData(21, 0.020)]
    [InlineData(1, 0.001)]
    public void Tick_P95_IsReachedByNineteenOfTwenty(int count, double expected)
    {
        Second("a", count, count, latencies: [.. Enumerable.Range(1, count).Select(i => i / 1000.0)]);

        Assert.Equal(expected, Recent.P95);
    }

    [Fact]
    public void Tick_MedianAndFinals_AreThoseOfTheLastTenSeconds()
    {
        Assert.Equal((new(null, null), new(null, null)), (Recent.Provisional, Recent.Final));
        foreach (var seconds in (double[])[0.9, 0.7, 0.8])
            _own.Metrics.Camera("a").Tally.RecentFinal.Add(new(seconds, FromCapture: false));
        Second("a", 3, 3, latencies: [0.1, 0.4, 0.2]);

        Assert.Equal((new(0.2, 0.4), new(0.8, 0.9)), (Recent.Provisional, Recent.Final));
        for (var second = 1; second <= 10; second++) Second("a", 1, 0);
        Assert.Equal((new(null, null), new(null, null)), (Recent.Provisional, Recent.Final));
    }

    [Fact]
    public void Tick_CaptureTimeKnown_LatenciesStartThere()
    {
        Second("a", 2, 2, latencies: [5]);
        _own.Metrics.Camera("a").Tally.Recent.Add(new(0.3, FromCapture: true));
        Second("a", 1, 1);

        Assert.Equal((0.3, true), (Recent.P95, Recent.FromCapture));
    }

    [Fact]
    public async Task Lines_ManyCameras_HaveTheirSumThenTheWorstWithDropsAndP95()
    {
        string[] names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        _state.Cameras = [.. names.Select(Board)];
        foreach (var (i, name) in names.Index())
            Add(name, 20, 20 - i / 2, i / 2, 0, [0.01 * (8 - i)]);
        _own.Metrics.Camera("h").Tally.Recent.Add(new(0.2, FromCapture: true));
        Tick();
        using var output = new StringWriter();
        using var console = new RunConsole(_state, _time, output);

        await console.TickAsync();

        var lines = output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            "8 cameras, in 160.0 out 148.0 fps, active 0, provisional 148, final 0; "
                + "a starting, b starting, c starting, d starting, e starting, f starting, g starting, h starting",
            lines[0][9..]);
        Assert.Equal(["h", "g", "e", "f", "c", "d"], lines.Skip(1).Select(l => l[9..10]));
        Assert.Equal(
            "h starting, in 20.0 out 17.0 fps, active 0, provisional 17, final 0, dropped 15 % (queue_full), "
                + "p95 200 ms from capture",
            lines[1][9..]);
        Assert.EndsWith("dropped 5 % (queue_full), p95 60 ms from receipt", lines[5], StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_FewCameras_HaveOneEachWorstFirst()
    {
        _state.Cameras = [Board("a"), Board("b")];
        Add("a", 10, 10, 0, 0, [0.05]);
        Add("b", 10, 10, 0, 0, [0.07]);
        Tick();
        using var console = new RunConsole(_state, _time, TextWriter.Null);

        Assert.Equal(
            [
                "b starting, in 10.0 out 10.0 fps, active 0, provisional 10, final 0, dropped 0 %, p95 70 ms from "
                    + "receipt",
                "a starting, in 10.0 out 10.0 fps, active 0, provisional 10, final 0, dropped 0 %, p95 50 ms from "
                    + "receipt",
            ],
            console.Lines(_state.Cameras));
    }

    [Fact]
    public void Lines_FileHasEnded_IsPrintedOnceForEachEnd()
    {
        using var console = new RunConsole(_state, _time, TextWriter.Null);
        var board = _state.Cameras[0];
        var printed = new List<int>();
        foreach (var run in (CameraRun[])[CameraRun.Running, CameraRun.Ended, CameraRun.Ended, CameraRun.Running,
            CameraRun.Ended, CameraRun.Ended])
        {
            board.Run = run;
            printed.Add(console.Lines(_state.Cameras).Count());
        }

        Assert.Equal([1, 1, 0, 1, 1, 0], printed);
    }

    // The last frames of a file have their results some time after its end.
    [Fact]
    public void Lines_FileIsOverAndItsFramesAreNot_WaitForThem()
    {
        using var console = new RunConsole(_state, _time, TextWriter.Null);
        var board = _state.Cameras[0];
        var over = ScriptedCamera.Offline(board.Name) with { Reason = SourceFault.Eof, NextRetrySeconds = null };
        board.Status = over;
        Assert.Empty(console.Lines(_state.Cameras));
        board.Status = over with { NextRetrySeconds = 1 };
        Assert.Single(console.Lines(_state.Cameras));
        board.Status = over with { IsFailure = true };
        Assert.Single(console.Lines(_state.Cameras));
        (board.Status, board.Run) = (over, CameraRun.Ended);
        Assert.Single(console.Lines(_state.Cameras));
        Assert.Empty(console.Lines(_state.Cameras));
    }

    [Fact]
    public void Ready_Overloaded_IsDegradedWithShareAndReason()
    {
        using var folder = new ConfigFolder();
        using var health = Health("mqtt: { servers: [] }\n");
        _state.Cameras = [Board("a"), Board("b"), Board("c")];
        _state.Cameras[2].Status = ScriptedCamera.Offline("c");
        Tick();
        Assert.Equal("not online: c", health.Ready().Detail);
        for (var second = 1; second <= 3; second++)
        {
            Add("a", 10, 9, 1, 0, []);
            Add("b", 10, 5, 0, 5, []);
            Tick();
        }

        var report = health.Ready();
        Assert.Equal((true, "degraded"), (report.Healthy, report.Status));
        Assert.Equal(
            "not online: c; overloaded: b (50 % dropped, stale), a (10 % dropped, queue_full)", report.Detail);

        _state.Mqtt.OutboxOnDisk = true;
        using var brokerAway = Health("");
        Assert.Equal(
            $"no MQTT broker has accepted the connection; finals and events wait on disk; {report.Detail}",
            brokerAway.Ready().Detail);

        Health Health(string mqtt) => new(new(folder.Load(ConfigFolder.Cameras + mqtt)), _state, new(_time), _time);
    }

    [Fact]
    public async Task Repeat_Status_LeavesAgainWithThePresentFiguresAndWithoutAnEvent()
    {
        var (published, board) = (new CollectingPublisher(), _state.Cameras[0]);
        var feed = new StatusFeed(board, published, _time);
        feed.Repeat();
        feed.Post(new("a", CameraState.Online, default, SourceFault.Ok, null, 0, null, 8, 0, null, null, null));
        await Eventually.TrueAsync(() => published.Events.Length == 1);
        for (var second = 1; second <= 3; second++) Second("a", 8, 5, full: 3);
        feed.Repeat();
        await feed.CompleteAsync();

        var statuses = published.Messages.OfType<CameraStatus>().ToArray();
        Assert.Equal([(false, 0, 0), (true, 0.375, 5)], statuses.Select(s => (s.Overloaded, s.DroppedShare, s.FpsOut)));
        Assert.All(statuses, s => Assert.Equal(CameraState.Online, s.State));
        Assert.Equal(EventKind.CameraOnline, Assert.Single(published.Events).Kind);
    }

    /// <summary>The whole program: a source that always has the next frame, and a queue that drops.</summary>
    [Theory, MemberData(nameof(TinyModels.Names), MemberType = typeof(TinyModels))]
    public async Task Run_FramesFasterThanTheModel_LogHealthAndMqttHaveIt(string method)
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new ReloadRig();
        await rig.StartAsync(
            $$"""
            model: { path: '{{TinyModels.Write(method, Path.Combine(rig.Folder.Root, "model"))}}' }
            cameras: { a: { synthetic: { width: 64, height: 32, realtime: false } } }
            defaults: { queue: { policy: drop_oldest, capacity: 1 } }
            mqtt: { servers: ['{{broker.Url}}'] }
            logging: { level: error }
            http: { bind: '127.0.0.1:0' }
            """,
            services => services.AddSingleton<ILogger<OverloadWatch>>(_log));

        await Eventually.TrueAsync(() => Overloaded().Any(), "the retained state has it");
        var state = Overloaded().First();
        Assert.Equal("online", state.GetProperty("state").GetString());
        Assert.InRange(state.GetProperty("dropped_share").GetDouble(), 0.05, 1);
        var ready = rig.Services.GetRequiredService<Health>().Ready();
        Assert.Equal((true, "degraded"), (ready.Healthy, ready.Status));
        Assert.StartsWith("overloaded: a (", ready.Detail, StringComparison.Ordinal);
        Assert.StartsWith("Camera a: overloaded, ", _log.Entries[0].Text, StringComparison.Ordinal);

        IEnumerable<JsonElement> Overloaded() => subscriber.On("camera/a/state")
            .Select(m => JsonDocument.Parse(m.Text).RootElement)
            .Where(s => s.GetProperty("overloaded").GetBoolean());
    }

    private CameraBoard Board(string name) => new(_own.Metrics.Camera(name), _time);

    private void Second(
        string camera, int received, int processed, int full = 0, int stale = 0, double[]? latencies = null)
    {
        Add(camera, received, processed, full, stale, latencies ?? []);
        Tick();
    }

    private void Add(string camera, int received, int processed, int full, int stale, double[] latencies)
    {
        var metrics = _own.Metrics.Camera(camera);
        for (var i = 0; i < received; i++) metrics.Tally.Received();
        metrics.FramesProcessed("provisional", processed);
        metrics.FrameDropped("captured", "queue_full", full);
        metrics.FrameDropped("segment", "stale", stale);
        foreach (var latency in latencies) metrics.Tally.Recent.Add(new(latency, FromCapture: false));
    }

    private void Tick()
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_watch.TickAsync().IsCompletedSuccessfully);
    }
}
