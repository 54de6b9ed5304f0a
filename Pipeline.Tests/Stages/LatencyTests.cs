using System.Text.Json;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Dvis.Streaming.Sinks.JsonLines;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

/// <summary>
/// A camera's whole way to a file, on a clock that only the script moves: a frame comes every 40 ms after the last one
/// was written, is received 9 ms and more before its turn, taken 15 ms before that, segmented for 30 ms and tracked for
/// 7; a window of two frames is refined for 20 ms; the sink needs 3 ms before and 2 ms after the line is made.
/// </summary>
public sealed class LatencyTests : IDisposable
{
    private const int Frames = 4;
    private readonly ManualTime _time = new();
    private readonly FakeDvis _fake = new();
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task RunAsync_ScriptedClock_MessagesAndHistogramsHaveTheTimesOfTheScript()
    {
        await using var rig = new PipelineRig(FakeDvis.Graphs(
            FakeDvis.Manifest, Slow("segmenter", 30, _fake.Segmenter), Slow("tracker", 7, _fake.Tracker),
            _fake.FrameForward, Slow("refiner", 20, _fake.Refiner)), _time);
        (rig.Camera.Refiner.Window, rig.Camera.Refiner.Stride, rig.Camera.Refiner.Lookahead) = (2, 2, 0);
        var measured = rig.Camera.Measured;

        await RunAsync(rig);

        // Frame i has the age 9 + i when its turn comes; the first of a window is received 82 ms before the second's
        // turn, in which its own message is made.
        double[] ages = [9, 10, 11, 12];
        Expect([.. ages.Select(a => a + 37)], "dvis.frame.latency", "stage=provisional");
        Expect([.. ages.Select(a => a + 37 + 15)], "dvis.frame.capture_latency");
        Assert.Equal(
            ages.Select(a => (a + 37 + 15, true)), measured.Metrics.Camera("cam").Tally.Recent.Take()
                .Select(s => (Math.Round(s.Seconds * 1000, 3), s.FromCapture)));
        Expect([.. ages.Select(a => a + 42)], "dvis.sink.latency", "stage=provisional");
        Expect([9 + 144, 10 + 62, 11 + 144, 12 + 62], "dvis.frame.latency", "stage=final");
        Expect([9 + 149, 10 + 67, 11 + 149, 12 + 67], "dvis.sink.latency", "stage=final");
        Expect([0, 0, 0, 0], "dvis.stage.duration", "stage=preprocess");
        Expect([0, 0, 0, 0], "dvis.stage.queue.duration", "stage=segment");
        Expect([30, 30, 30, 30], "dvis.stage.duration", "stage=segment");
        Expect([7, 7, 7, 7], "dvis.stage.duration", "stage=track");
        Expect([20, 20], "dvis.stage.duration", "stage=refine");
        Assert.Equal(
            ages.Select(a => Text(a + 40, a + 55, a + 3, refine: "")), Written("tracks"));
        Assert.Equal(
            ((double[])[10, 12]).Select(a => Text(a + 65, a + 80, a + 8, refine: " refine 20")), Written("final"));

        void Expect(double[] milliseconds, string instrument, string? tag = null) => Assert.Equal(
            milliseconds, measured.Of(instrument, tag).Select(s => Math.Round(s * 1000, 3)));

        static string Text(double total, double capture, double queue, string refine) =>
            $"total {total} capture_to_publish {capture} queue {queue} segment 30 track 7{refine}";
    }

    private async Task RunAsync(PipelineRig rig)
    {
        var measured = rig.Camera.Measured;
        var options = new JsonLinesOptions { Path = _folder.Path("out.jsonl"), Lossless = true };
        var sink = new SlowSink(new JsonLinesSink(options, SomeResult.Context(null, "cam"), _time), _time);
        await using var fanOut = new FanOut([sink], 8, measured.Metrics, _time, NullLogger<FanOut>.Instance);
        await fanOut.StartAsync(default);
        var source = new PaintedSource(rig.Frames, _time, Frames, (_, item) => item < 2)
        {
            Age = i => TimeSpan.FromMilliseconds(9 + i),
            Info = info => info with
            {
                Capture = new(info.Received - TimeSpan.FromMilliseconds(15), ClockSource.Synthetic, 0, 0, true),
            },
            Before = async (i, _) =>
            {
                await Eventually.TrueAsync(() => Handed("final") == i / 2 * 2 && Handed("provisional") == i);
                _time.Advance(TimeSpan.FromMilliseconds(40));
            },
        };
        await rig.RunAsync(source, new PatientPublisher(fanOut, Handed));
        Assert.True(await fanOut.StopAsync(TimeSpan.FromSeconds(5)));

        int Handed(string stage) => measured.Of("dvis.sink.latency", $"stage={stage}").Count;
    }

    private FakeModel Slow(string name, int milliseconds, FakeModel model) => new(name, (inputs, outputs) =>
    {
        _time.Advance(TimeSpan.FromMilliseconds(milliseconds));
        model.Run(inputs, outputs);
    });

    private IEnumerable<string> Written(string type) => File.ReadLines(_folder.Path("out.jsonl"))
        .Select(line => JsonDocument.Parse(line).RootElement)
        .Where(line => line.GetProperty("type").GetString() == type)
        .Select(line => string.Join(
            ' ', line.GetProperty("latency_ms").EnumerateObject().Select(p => $"{p.Name} {p.Value}")));

    /// <summary>Returns when the sink has handed the message over, so that the clock moves in one place at a time.
    /// </summary>
    private sealed class PatientPublisher(IPublisher sinks, Func<string, int> handed) : IPublisher
    {
        public async ValueTask PublishAsync(PipelineMessage message)
        {
            var stage = message is FinalResult ? "final" : "provisional";
            var frames = message is FinalResult final ? final.Frames.Length : message is ProvisionalResult ? 1 : 0;
            var before = handed(stage);
            await sinks.PublishAsync(message);
            await Eventually.TrueAsync(() => handed(stage) == before + frames);
        }
    }

    private sealed class SlowSink(IResultSink sink, ManualTime time) : IResultSink
    {
        public string Name => sink.Name;

        public bool Lossless => sink.Lossless;

        public Task StartAsync(CancellationToken cancel) => sink.StartAsync(cancel);

        public async ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
        {
            var isResult = message is ProvisionalResult or FinalResult;
            if (isResult) time.Advance(TimeSpan.FromMilliseconds(3));
            await sink.PublishAsync(message, cancel);
            if (isResult) time.Advance(TimeSpan.FromMilliseconds(2));
        }

        public Task FlushAsync(CancellationToken cancel) => sink.FlushAsync(cancel);

        public ValueTask DisposeAsync() => sink.DisposeAsync();
    }
}
