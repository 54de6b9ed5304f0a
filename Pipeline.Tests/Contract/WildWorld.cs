using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Supervision;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Contract;

/// <summary>
/// One camera's whole way, all of it ours but the model's numbers and the clock: supervised source, segmenter, tracker,
/// refiner, fan-out to a sink that keeps everything, one that is slow and one that fails. Options and weather are
/// drawn; the pipeline is stopped and begun again as the daemon would, until the schedule is over.
/// </summary>
internal sealed class WildWorld : IDisposable
{
    /// <summary>Ends a wait for something that will not happen, as a real device would;
    /// nothing is asserted about it.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(20);

    private readonly Random _random;
    private readonly CameraRig _rig;
    private readonly WildModels _wild;
    private readonly WildSource _raw;
    private readonly double _maxFps;
    private readonly bool _storm; // frames come as fast as they can be painted, and most are dropped
    private readonly HashSet<string> _happened = [];
    private readonly KeepingSink _kept = new();
    private CancellationTokenSource _stop = new();
    private volatile int _sessions;
    private volatile bool _running;
    private double _lost; // frames that went down with a crash

    public WildWorld(int seed, string method, int[] schedule)
    {
        _random = new Random(seed);
        Live = _random.Next(3) > 0;
        _wild = new WildModels(seed, method, _random.Next(4) * 0.07, refines: _random.Next(8) > 0);
        _rig = new CameraRig(_wild.Models, Time);
        _rig.Refiner.Window = 1 + _random.Next(10);
        _rig.Refiner.Stride = 1 + _random.Next(_rig.Refiner.Window);
        _rig.Refiner.Lookahead = _random.Next(_rig.Refiner.Window - _rig.Refiner.Stride + 1);
        _rig.Refiner.MaxDelay = TimeSpan.FromSeconds(1);
        _rig.Refiner.OnOverload = _random.Next(2) == 0 ? OverloadPolicy.Skip : OverloadPolicy.Passthrough;
        _rig.Track.ConfirmFrames = 1 + _random.Next(3);
        _rig.Track.LostTimeout =
            TimeSpan.FromSeconds(_random.Next(3) > 0 ? 0.25 + 0.2 * _random.NextDouble() : 2 * _random.NextDouble());
        if (_random.Next(2) == 0) _rig.Publish.Labels = [_random.Next(2) == 0 ? "circle" : "square"];
        _rig.Zones = new(
        [
            new("left", false, [new(0, 0), new(0.5, 0), new(0.5, 1), new(0, 1)], false, [], 1 + (seed % 3)),
            new("middle", true, [new(32, 64), new(32, 0)], true, [], 1 + (seed % 3)),
        ]);
        _rig.Queue.Capacity = 1 + _random.Next(3);
        _maxFps = _random.Next(3) == 0 ? 15 : 0;
        _storm = _random.Next(3) == 0;
        _raw = new WildSource(this, schedule);
    }

    public ManualTime Time { get; } = new();

    public FramePool Frames { get; } = new();

    public bool Live { get; }

    /// <summary>Kinds of trouble that came about, for the tests' own coverage.</summary>
    public IReadOnlySet<string> Occurred => _happened;

    /// <summary>Runs of the pipeline, each with the frames that its source gave out.</summary>
    public List<WildRun> Runs { get; } = [];

    public IReadOnlyList<PipelineMessage> Messages => _kept.Messages;

    /// <summary>Numbers of the pictures that the segmenter saw.</summary>
    public int[] Segmented => _wild.Seen;

    public CameraRig Rig => _rig;

    public async Task RunAsync()
    {
        var slow = new SlowSink();
        await using (var fanOut =
            new FanOut([_kept, slow, new FailingSink()], 8, _rig.Measured.Metrics, Time, NullLogger<FanOut>.Instance))
        await using (var segmenter = new SegmenterBatcher(_wild.Models.Segmenter, _wild.Models.Manifest,
            new BatchOptions(), _rig.Tensors, _rig.Measured.Metrics, Time))
        {
            await fanOut.StartAsync(CancellationToken.None);
            var options =
                new SourceOptions
                {
                    Loop = true,
                    Rate = { MaxFps = _maxFps },
                    Rtsp = { StallTimeout = TimeSpan.FromSeconds(40) },
                };
            var metrics = new SourceMetrics(_rig.Measured.Metrics.Camera("cam"));
            var source = new SupervisedSource(
                _raw, options, metrics, new Random(1), Time, NullLogger.Instance, OnStatus);
            while (!_raw.Exhausted) await RunOnceAsync(new Witness(source, this), segmenter, fanOut);
            Assert.True(await fanOut.StopAsync(TimeSpan.FromHours(1)));
        }

        Assert.Equal(0, Frames.Outstanding);
        Assert.Equal(Messages.Count, slow.Taken + _rig.Measured.Of("dvis.sink.dropped", "sink=slow").Sum());
        Assert.Empty(_rig.Measured.Of("dvis.sink.dropped", "sink=kept"));
        foreach (var reason in (string[])["queue_full", "stale", "rate_limit"])
            if (_rig.Measured.Of("dvis.frames.dropped", $"reason={reason}").Sum() > 0) _happened.Add(reason);
    }

    public void Dispose()
    {
        Frames.Dispose();
        _rig.Dispose();
        _stop.Dispose();
    }

    public void Happened(string what) => _happened.Add(what);

    public void SessionBegins() => _sessions++;

    /// <summary>What happens before a frame; on the source's thread.</summary>
    public async Task WeatherAsync(Random random, CancellationToken stop)
    {
        Time.Advance(TimeSpan.FromMilliseconds(random.Next(60) == 0 ? 12_000 : 40));
        if (!_storm) await WaitAsync(Caught);
        else if (random.Next(3) == 0) await Task.Yield();
        switch (random.Next(60))
        {
            case 0:
                _wild.NextSegmenter = WildModels.Fail;
                break;
            case 1:
                _wild.NextTracker = WildModels.Fail;
                break;
            case 2 or 3 or 4:
                _wild.NextRefiner = WildModels.Fail;
                break;
            case 5 or 6 or 7 when Live:
                HoldSegmenter();
                break;
            case 8 or 9 or 10:
                HoldRefiner();
                break;
            case 11 or 12 or 13 when Live:
                // The camera falls silent for longer than a frame may wait to be final.
                await WaitAsync(Caught);
                Time.Advance(_rig.Refiner.MaxDelay);
                await WaitAsync(() => _kept.Final >= _kept.Provisionals);
                break;
            case 14:
                Happened("stop");
                await _stop.CancelAsync();
                stop.ThrowIfCancellationRequested();
                break;
        }
    }

    private void HoldSegmenter()
    {
        var given = Runs[^1].Given.Count;
        _wild.NextSegmenter = () => HoldUntil(() => Runs[^1].Given.Count >= given + 5);
    }

    private void HoldRefiner() => _wild.NextRefiner = () =>
    {
        var now = _kept.Provisionals;
        HoldUntil(() => _kept.Provisionals >= now + 2 * _rig.Refiner.Stride);
    };

    private async Task RunOnceAsync(Witness source, SegmenterBatcher segmenter, FanOut fanOut)
    {
        _lost = Given - _kept.Provisionals - Dropped();
        var run = new WildRun { Dropped = Dropped() };
        Runs.Add(run);
        _stop.Dispose();
        _stop = new CancellationTokenSource();
        _running = true;
        try
        {
            await _rig.Pipeline(source, segmenter, fanOut).RunAsync(_stop.Token);
        }
        catch (ModelException)
        {
            (run.Crashed, _wild.NextSegmenter, _wild.NextTracker) = (true, null, null);
            Happened("crash");
        }

        _running = false;
        run.Dropped = Dropped() - run.Dropped;
    }

    /// <summary>Every frame given is shown or dropped.</summary>
    private bool Caught() => _kept.Provisionals + Dropped() + _lost >= Given;

    private int Given => Runs.Sum(r => r.Given.Count);

    /// <summary>By the pipeline; what the source drops it never gives.</summary>
    private double Dropped() => _rig.Measured.Of("dvis.frames.dropped", "stage=captured")
        .Sum() + _rig.Measured.Of("dvis.frames.dropped", "stage=segment").Sum();

    /// <summary>While the source waits before its next session, time goes on.</summary>
    private void OnStatus(CameraStatus status)
    {
        if (status.NextRetrySeconds is not { } pause) return;
        var sessions = _sessions;
        _ = Task.Run(async () =>
        {
            while (_running && _sessions == sessions)
            {
                Time.Advance(TimeSpan.FromSeconds(pause / 2));
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
            }
        });
    }

    private static void HoldUntil(Func<bool> condition)
    {
        using var never = new ManualResetEventSlim();
        for (var began = Environment.TickCount64; Environment.TickCount64 - began < Longest.TotalMilliseconds
            && !condition();) never.Wait(TimeSpan.FromMilliseconds(1));
    }

    private static async Task WaitAsync(Func<bool> condition)
    {
        for (var began = Environment.TickCount64; Environment.TickCount64 - began < Longest.TotalMilliseconds
            && !condition();)
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
    }

    /// <summary>Notes every frame that the source gives out.</summary>
    private sealed class Witness(IFrameSource source, WildWorld world) : IFrameSource
    {
        public string Camera => source.Camera;

        public bool IsLive => source.IsLive;

        public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
        {
            await foreach (var frame in source.ReadAsync(stop))
            {
                world.Runs[^1].Given.Add(frame.Info);
                yield return frame;
            }
        }
    }

    private class Sink(string name, bool lossless) : IResultSink
    {
        public string Name => name;

        public bool Lossless => lossless;

        public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

        public virtual ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel) =>
            ValueTask.CompletedTask;

        public Task FlushAsync(CancellationToken cancel) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>The one whose word counts: it loses nothing, so the pipeline waits for it.</summary>
    private sealed class KeepingSink() : Sink("kept", true)
    {
        private readonly CollectingPublisher _all = new();
        private volatile int _provisionals, _final;

        public IReadOnlyList<PipelineMessage> Messages => _all.Messages;

        public int Provisionals => _provisionals;

        /// <summary>Frames covered by a final.</summary>
        public int Final => _final;

        public override ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
        {
            if (message is ProvisionalResult) _provisionals++;
            if (message is FinalResult final) _final += final.Frames.Length;
            return _all.PublishAsync(message);
        }
    }

    private sealed class SlowSink() : Sink("slow", false)
    {
        private int _taken;

        public int Taken => _taken;

        public override async ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
        {
            _taken++;
            if (_taken % 4 == 0)
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, CancellationToken.None);
        }
    }

    private sealed class FailingSink() : Sink("failing", false)
    {
        public override ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel) =>
            throw new InvalidOperationException("as every time");
    }
}

/// <summary>One life of the pipeline.</summary>
internal sealed class WildRun
{
    /// <summary>Frames that the source gave to the pipeline.</summary>
    public List<FrameInfo> Given { get; } = [];

    /// <summary>Frames that the pipeline dropped and counted.</summary>
    public double Dropped { get; set; }

    /// <summary>A graph failed: frames on their way to it are gone.</summary>
    public bool Crashed { get; set; }
}
