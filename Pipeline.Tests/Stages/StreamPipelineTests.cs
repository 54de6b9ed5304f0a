using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

public sealed class StreamPipelineTests
{
    private readonly FakeDvis _fake = new();

    [Theory, MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public async Task RunAsync_FileToItsEnd_PublishesEveryFrameInOrderAndFinal(string method)
    {
        await using var rig = new PipelineRig(FakeMethods.Models(method, _fake));
        rig.Queue.Capacity = 1;

        await rig.RunAsync(Source(rig, 60));

        Assert.Equal(Ids(1, 60), rig.Published.Provisionals.Select(p => p.Frame.FrameId));
        Assert.Equal(Ids(1, 60), rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.All(rig.Published.Finals, f => Assert.Equal(FakeMethods.Final(method), f.Kind));
        Assert.All(rig.Published.Provisionals[1..], p => Assert.Equal([1L, 2], p.Tracks.Select(t => t.Number)));
        Assert.All(rig.Published.Finals, f => Assert.Equal([1L, 2], f.Tracks.Select(t => t.Number)));
        Assert.Equal(
            [EventKind.TrackStarted, EventKind.TrackStarted, EventKind.TrackEnded, EventKind.TrackEnded,
                EventKind.TrackFinalized, EventKind.TrackFinalized],
            rig.Published.Events.Select(e => e.Kind));
        Assert.Empty(rig.Camera.Measured.Of("dvis.frames.dropped"));
        Assert.Equal(60, rig.Camera.Measured.Of("dvis.queue.length", "stage=captured").Count);
        Assert.All(rig.Published.Provisionals, p => Assert.InRange(p.FinalThroughFrame, -1, p.Frame.FrameId - 1));
    }

    [Theory, MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public async Task RunAsync_ObjectHiddenForAWhile_ReturnsUnderItsId(string method)
    {
        await using var rig = new PipelineRig(FakeMethods.Models(method, _fake));

        await rig.RunAsync(Source(rig, 50, visible: (i, item) => item == 0 || (item == 3 && i is < 15 or > 23)));

        Assert.DoesNotContain(rig.Published.Provisionals[20].Tracks, t => t.Number == 2);
        Assert.Equal([1L, 2], rig.Published.Provisionals[^1].Tracks.Select(t => t.Number));
        Assert.Contains(rig.Published.Events, e => e is { Kind: EventKind.TrackLost, Track: 2 });
        Assert.Contains(rig.Published.Events, e => e is { Kind: EventKind.TrackUpdated, Track: 2, Reason: "returned" });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RunAsync_Stopped_FinishesWhatIsOnTheWay(bool live)
    {
        await using var rig = new PipelineRig(_fake.Models());
        using var stop = new CancellationTokenSource();
        var running = rig.RunAsync(Source(rig, null, live: live, before: (_, _) => Yield()), stop: stop.Token);
        await Eventually.TrueAsync(() => rig.Published.Provisionals.Length >= 20);

        await stop.CancelAsync();
        await running;

        var shown = rig.Published.Provisionals.Select(p => p.Frame.FrameId).ToArray();
        Assert.Equal(shown, rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.Equal(2, rig.Published.Events.Count(e => e.Kind == EventKind.TrackFinalized));

        static async ValueTask Yield() => await Task.Yield();
    }

    /// <summary>Overload: a source that always has the next frame already must not
    /// keep the stages from their work.</summary>
    [Theory(Timeout = 120_000), MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public async Task RunAsync_LiveSourceThatNeverWaits_GetsResults(string method)
    {
        await using var rig = new PipelineRig(FakeMethods.Models(method, _fake));
        using var stop = new CancellationTokenSource();
        var running = Task.Run(() => rig.RunAsync(Source(rig, null, live: true), stop: stop.Token));

        await Eventually.TrueAsync(() => rig.Published.Provisionals.Length >= 20);
        await stop.CancelAsync();
        await running;

        Assert.True(rig.Camera.Measured.Of("dvis.frames.dropped", "reason=queue_full").Sum() > 0);
    }

    [Theory, MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public async Task RunAsync_SegmenterFails_ThrowsItAndFinishesWhatCameBefore(string method)
    {
        _fake.Segmenter.FailFrom = 8;
        await using var rig = new PipelineRig(FakeMethods.Models(method, _fake));

        var failure = await Assert.ThrowsAsync<ModelException>(() => rig.RunAsync(Source(rig, null)));

        Assert.Contains("segmenter", failure.Message);
        Assert.Equal(Ids(1, 7), rig.Published.Provisionals.Select(p => p.Frame.FrameId));
        Assert.Equal(Ids(1, 7), rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.Equal(2, rig.Published.Events.Count(e => e.Kind == EventKind.TrackFinalized));
    }

    [Fact]
    public async Task RunAsync_TrackerFails_ThrowsItAndFinishesWhatCameBefore()
    {
        _fake.Tracker.FailFrom = 8;
        await using var rig = new PipelineRig(_fake.Models());

        await Assert.ThrowsAsync<ModelException>(() => rig.RunAsync(Source(rig, null)));

        Assert.Equal(Ids(1, 7), rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.Equal(FinalReason.Error, rig.Published.Finals[^1].Reason);
        Assert.Equal(2, rig.Published.Events.Count(e => e.Kind == EventKind.TrackFinalized));
    }

    [Fact]
    public async Task RunAsync_RefinerFails_GoesOnWithoutIt()
    {
        _fake.Refiner.FailFrom = 1;
        await using var rig = new PipelineRig(_fake.Models());

        await rig.RunAsync(Source(rig, 23));

        Assert.Equal(Ids(1, 23), rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.All(rig.Published.Finals, f =>
            Assert.Equal((FinalKind.Passthrough, FinalReason.Error), (f.Kind, f.Reason)));
    }

    [Fact]
    public async Task RunAsync_MinVis_TracksWithItsMatcherAndRepeatsEveryFrameAsFinal()
    {
        await using var rig = new PipelineRig(_fake.MinVisModels());

        await rig.RunAsync(Source(rig, 23));

        Assert.All(rig.Published.Provisionals[1..], p => Assert.Equal([1L, 2], p.Tracks.Select(t => t.Number)));
        Assert.Equal(Ids(1, 23), rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.All(rig.Published.Finals, f =>
            Assert.Equal((FinalKind.Passthrough, FinalReason.Disabled), (f.Kind, f.Reason)));
        Assert.Equal((23, 0), (_fake.Matcher.Runs, _fake.Tracker.Runs));
    }

    [Theory, MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public async Task RunAsync_SourceFails_FinishesThenThrowsIt(string method)
    {
        await using var rig = new PipelineRig(FakeMethods.Models(method, _fake));

        var failure = await Assert.ThrowsAsync<SourceException>(() =>
            rig.RunAsync(Source(rig, 12, failure: new SourceException(SourceFault.Stalled, "no more"))));

        Assert.Equal(SourceFault.Stalled, failure.Fault);
        Assert.Equal(Ids(1, 12), rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
    }

    [Theory]
    [InlineData("auto", true, true)]
    [InlineData("auto", false, false)]
    [InlineData("wait", true, false)]
    [InlineData("drop_oldest", false, true)]
    public async Task RunAsync_SegmenterTooSlow_DropsTheOldestOnlyWhereToldTo(string policy, bool live, bool drops)
    {
        using var gate = new ManualResetEventSlim();
        using var entered = new ManualResetEventSlim();
        var slow = new FakeModel("segmenter", (inputs, outputs) =>
        {
            entered.Set();
            Assert.True(gate.Wait(TimeSpan.FromSeconds(30)));
            _fake.Segmenter.Run(inputs, outputs);
        });
        await using var rig =
            new PipelineRig(FakeDvis.Graphs(FakeDvis.Manifest, slow, _fake.Tracker, _fake.FrameForward, _fake.Refiner));
        (rig.Queue.Policy, rig.Queue.Capacity) = (EnumName.Parse<QueuePolicy>(policy), 2);

        await rig.RunAsync(Source(rig, 10, live: live, before: async (i, _) =>
        {
            if (i == 1) await Eventually.TrueAsync(() => entered.IsSet);
            if (i == (drops ? 9 : 3)) gate.Set(); // the frame before the last that can be written without it
        }, after: gate.Set));

        var shown = rig.Published.Provisionals.Select(p => p.Frame.FrameId).ToArray();
        var dropped = rig.Camera.Measured.Of("dvis.frames.dropped", "reason=queue_full").Sum();
        Assert.Equal(10, shown.Length + dropped);
        Assert.Equal(dropped, rig.Published.Provisionals.Sum(p => p.DroppedSinceLast));
        if (drops) Assert.InRange(dropped, 6, 7);
        else Assert.Equal(Ids(1, 10), shown);
        Assert.Equal((1L, 10L), (shown[0], shown[^1]));
    }

    [Fact]
    public async Task RunAsync_RefinerTooSlowForALiveCamera_PassesWindowsOnAndDelaysNobody()
    {
        Func<int> published = () => 0;
        var refining = false;
        var slow = new FakeModel("refiner", (inputs, outputs) =>
        {
            Volatile.Write(ref refining, true);
            // Two more windows are tracked, shown and waiting while the first is refined.
            Assert.True(SpinWait.SpinUntil(() => published() >= 21, TimeSpan.FromSeconds(30)));
            _fake.Refiner.Run(inputs, outputs);
        });
        await using var rig = new PipelineRig(
            FakeDvis.Graphs(FakeDvis.Manifest, _fake.Segmenter, _fake.Tracker, _fake.FrameForward, slow));
        published = () => rig.Published.Provisionals.Length;
        rig.Queue.Capacity = 64;

        await rig.RunAsync(
            Source(rig, 40, live: true, before: async (i, _) => await Eventually.TrueAsync(() =>
                published() >= Math.Min(i, 21) && (i < 10 || Volatile.Read(ref refining)))));

        var finals = rig.Published.Finals;
        Assert.Equal(Ids(1, 40), finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.Equal((FinalKind.Refined, FinalReason.None), (finals[0].Kind, finals[0].Reason));
        Assert.Equal((FinalKind.Passthrough, FinalReason.Overload), (finals[1].Kind, finals[1].Reason));
        Assert.Equal([1L, 2], finals[1].Tracks.Select(t => t.Number));
    }

    [Fact]
    public async Task RunAsync_AnotherCameraFails_IsNotTouched()
    {
        await using var rig = new PipelineRig(_fake.Models());
        var other = new CollectingPublisher();

        var failing = rig.RunAsync(Source(rig, 5, failure: new SourceException(SourceFault.Stalled, "no more")));
        await rig.RunAsync(Source(rig, 60), other);

        await Assert.ThrowsAsync<SourceException>(() => failing);
        Assert.Equal(Ids(1, 60), other.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.Equal(Ids(1, 5), rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
    }

    /// <summary>Continuity breaks: the last finals of an epoch come before word of the next one,
    /// and before its finals.</summary>
    [Theory, MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public async Task RunAsync_SessionChanges_FinalsOfTheOldEpochAreCompleteBeforeTheReset(string method)
    {
        await using var rig = new PipelineRig(FakeMethods.Models(method, _fake));
        var source =
            new PaintedSource(rig.Frames, rig.Camera.Time, 23, (_, item) => item < 2) { Session = i => i / 13 };

        await rig.RunAsync(source);

        var told = rig.Published.Messages.Where(m =>
            m is FinalResult or LifecycleEvent { Kind: EventKind.TrackerReset }).ToList();
        var reset = told.FindIndex(m => m is LifecycleEvent);
        var (before, after) =
            (told[..reset].Cast<FinalResult>().ToList(), told[(reset + 1)..].Cast<FinalResult>().ToList());
        Assert.Equal(Ids(1, 13), before.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.Equal(Ids(14, 10), after.SelectMany(f => f.Frames).Select(f => f.FrameId));
        var why = FakeMethods.Final(method) == FinalKind.Refined ? FinalReason.Reset : FinalReason.Disabled;
        Assert.Equal((why, "source_restarted"),
            (before[^1].Reason, ((LifecycleEvent)told[reset]).Reason));
        Assert.Equal(after[0].Epoch, ((LifecycleEvent)told[reset]).Epoch);
    }

    [Theory, MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public async Task RunAsync_LiveFrameTooOld_IsDroppedAsStale(string method)
    {
        await using var rig = new PipelineRig(FakeMethods.Models(method, _fake));
        rig.Queue.Capacity = 64;

        await rig.RunAsync(Source(rig, 10, live: true, age: i => TimeSpan.FromSeconds(i is 3 or 4 ? 0.501 : 0.5)));

        Assert.Equal([1L, 2, 3, 6, 7, 8, 9, 10], rig.Published.Provisionals.Select(p => p.Frame.FrameId));
        Assert.Equal(2, rig.Camera.Measured.Of("dvis.frames.dropped", "reason=stale").Sum());
        Assert.Equal(2, rig.Published.Provisionals[3].DroppedSinceLast);
    }

    public static TheoryData<string> Shipped => new(ShippedModels.All);

    [Theory, MemberData(nameof(Shipped))]
    public async Task RunAsync_ShippedModel_RunsFromFrameToFinal(string model)
    {
        var options = new ModelOptions { Path = Repo.Path(model) };
        using var models = ModelGraphs.Load(options, new RuntimeOptions(), NullLogger.Instance);
        await using var rig = new PipelineRig(models);
        rig.Camera.Track.MinScore = 0.01; // whatever it makes of these pictures, it goes all the way

        await rig.RunAsync(Source(rig, 30));

        Assert.Equal(Ids(1, 30), rig.Published.Provisionals.Select(p => p.Frame.FrameId));
        Assert.Equal(Ids(1, 30), rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.All(rig.Published.Finals, f => Assert.Equal(FinalKind.Refined, f.Kind));
        Assert.Equal(
            rig.Published.Events.Count(e => e.Kind == EventKind.TrackStarted),
            rig.Published.Events.Count(e => e.Kind is EventKind.TrackFinalized or EventKind.TrackIdentityChanged));
    }

    private static IEnumerable<long> Ids(int first, int count) => Enumerable.Range(first, count).Select(i => (long)i);

    private static PaintedSource Source(
        PipelineRig rig, int? frames, bool live = false, Func<int, int, bool>? visible = null,
        Func<int, CancellationToken, ValueTask>? before = null,
        Action? after = null, Exception? failure = null, Func<int, TimeSpan>? age = null)
        => new(rig.Frames, rig.Camera.Time, frames, visible ?? ((_, item) => item < 2))
        {
            IsLive = live,
            Before = before,
            After = after,
            Failure = failure,
            Age = age ?? (_ => TimeSpan.Zero),
        };
}
