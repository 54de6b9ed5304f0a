using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Microsoft.Extensions.Logging;
using Slot = Dvis.Streaming.Pipeline.Tests.Stages.ClipBuilder.Slot;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

public sealed class RefineStageTests : IDisposable
{
    private readonly FakeDvis _fake = new();
    private readonly CameraRig _rig;
    private readonly ClipBuilder _clips;
    private readonly Epoch _epoch = new("A");
    private readonly CollectingLogger _logger = new();

    public RefineStageTests()
    {
        _rig = new CameraRig(_fake.Models());
        _clips = new ClipBuilder(_rig.Tensors);
        (_rig.Refiner.Window, _rig.Refiner.Stride, _rig.Refiner.Lookahead) = (6, 2, 2);
    }

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task RunAsync_Refined_GivesTheRefinersMaskAndClass()
    {
        var track = ClipBuilder.Track(1);

        await RunAsync(5, _ => [new Slot(0, track, Item: 2, ShownAs: 1)]);

        var finals = _rig.Published.Finals;
        Assert.Equal([(1L, 2L), (3, 5)], finals.Select(f => (f.FirstFrame, f.LastFrame)));
        Assert.All(finals, f => Assert.Equal(FinalKind.Refined, f.Kind));
        Assert.Equal([FinalReason.None, FinalReason.End], finals.Select(f => f.Reason));
        var final = Assert.Single(finals[0].Tracks);
        Assert.Equal((1L, 0, 1), (final.Number, final.ClassId, final.ProvisionalClassId));
        Assert.Equal([1L, 2], final.Frames.Select(f => f.FrameId));
        Assert.All(final.Frames, f => Assert.Equal((true, ClipBuilder.RowOf(2)), (f.Visible, f.Box)));
        Assert.True(final.Score > 0.9);
        Assert.Equal(2, _rig.Measured.Of("dvis.tracks.revised", "kind=class").Sum());
        Assert.Equal(5, _rig.Measured.Of("dvis.frames.processed", "stage=final").Sum());
    }

    /// <summary>Each frame has another object and other features: the mask is that of both of this frame.</summary>
    [Fact]
    public async Task RunAsync_FramesDiffer_EachHasTheMaskOfItsOwnEmbeddingAndFeatures()
    {
        var track = ClipBuilder.Track(1);

        await RunAsync(9, id => [new Slot(0, track, Item: Item(id), ShownAs: 0)], shift: Shift);

        var seen = _rig.Published.Finals.SelectMany(f => f.Tracks).SelectMany(t => t.Frames).ToArray();
        Assert.Equal(Enumerable.Range(1, 9).Select(i => (long)i), seen.Select(f => f.FrameId));
        Assert.Equal(
            seen.Select(f => ClipBuilder.RowOf((Item(f.FrameId) + Shift(f.FrameId)) % 4)), seen.Select(f => f.Box));

        static int Item(long id) => (int)(id % 2) * 2;
        static int Shift(long id) => (int)(id % 3);
    }

    /// <summary>A score of exactly <c>track.min_score</c> is a detection, in finals.</summary>
    [Fact]
    public async Task RunAsync_ScoreAtMinScore_IsADetection()
    {
        var track = ClipBuilder.Track(1);
        await RunAsync(2, _ => [new Slot(0, track, Item: 2, ShownAs: 0)]);
        var score = (double)Assert.Single(_rig.Published.Finals[^1].Tracks).Score;

        _rig.Track.MinScore = score;
        await RunAsync(2, _ => [new Slot(0, track, Item: 2, ShownAs: 0)]);
        Assert.Single(_rig.Published.Finals[^1].Tracks);

        _rig.Track.MinScore = Math.BitIncrement(score);
        await RunAsync(2, _ => [new Slot(0, track, Item: 2, ShownAs: 0)]);
        Assert.Empty(_rig.Published.Finals[^1].Tracks);
    }

    /// <summary>An area of exactly <c>track.min_area</c> is a detection, in finals.</summary>
    [Fact]
    public async Task RunAsync_MaskBelowMinArea_IsOutOfSight()
    {
        var track = ClipBuilder.Track(1);
        await RunAsync(2, _ => [new Slot(0, track, Item: 2, ShownAs: 0)]);
        var area = Assert.Single(_rig.Published.Finals[^1].Tracks).Frames[0].AreaPx;

        _rig.Track.MinArea = area;
        await RunAsync(2, _ => [new Slot(0, track, Item: 2, ShownAs: 0)]);
        Assert.Single(_rig.Published.Finals[^1].Tracks);

        _rig.Track.MinArea = Math.BitIncrement(area);
        await RunAsync(2, _ => [new Slot(0, track, Item: 2, ShownAs: 0)]);
        Assert.Empty(_rig.Published.Finals[^1].Tracks);
        Assert.Equal([track.Number], _rig.Published.Finals[^1].Retracted);
    }

    /// <summary>The refiner knows nothing; the tracker's logits are 6 and 3.</summary>
    [Fact]
    public async Task RunAsync_TrackerIsSurer_FinalsHaveTheScoreOfItsMeanLogits()
    {
        var refiner = new FakeModel("refiner", static (inputs, outputs) =>
        {
            FakeDvis.Refine(inputs, outputs);
            outputs[0].Span.Clear();
        });
        using var rig = new CameraRig(FakeDvis.Graphs(
            FakeDvis.Manifest, _fake.Segmenter, _fake.Tracker, _fake.FrameForward, refiner));
        var track = ClipBuilder.Track(1);

        await RunAsync(2, id => [new Slot(0, track, Item: 0, Found: id == 1 ? 1 : 0.5f)], rig: rig,
            clips: new ClipBuilder(rig.Tensors));

        var final = Assert.Single(Assert.Single(rig.Published.Finals).Tracks);
        Assert.Equal(Math.Exp(4.5) / (Math.Exp(4.5) + FakeDvis.Classes), final.Score, 1e-4);
    }

    /// <summary>The refiner fills a gap of the tracker, unless the frame itself is sure of nothing.</summary>
    [Theory]
    [InlineData(TrackState.Lost, 1, true)]
    [InlineData(TrackState.Lost, -1, false)]
    [InlineData(TrackState.Active, -1, true)]
    public async Task RunAsync_TrackerMissedTheObject_IsShownUnlessItsFrameSaysNothing(
        TrackState state, float own, bool visible)
    {
        var track = ClipBuilder.Track(1);

        await RunAsync(4, id => [id == 2
            ? new Slot(0, track, Item: 2, State: state, Own: own)
            : new Slot(0, track, Item: 2, ShownAs: 0)]);

        var frames = _rig.Published.Finals.SelectMany(f => f.Tracks).SelectMany(t => t.Frames);
        Assert.Equal([true, visible, true, true], frames.Select(f => f.Visible));
    }

    /// <summary>The refiner finds another class in one window: finals keep that of most votes, and so does
    /// <c>finalized</c>, with the votes of the finals.</summary>
    [Fact]
    public async Task RunAsync_ClassOfOneWindowDiffers_FinalsAndFinalizedHaveTheMajority()
    {
        (_rig.Refiner.Window, _rig.Refiner.Stride, _rig.Refiner.Lookahead) = (2, 2, 0);
        var track = ClipBuilder.Track(1);

        await RunAsync(10, id => [new Slot(0, track, Item: id is 5 or 6 ? 1 : 2, ShownAs: 0)], ended: _ => []);

        Assert.Equal([0, 0, 0, 0, 0], _rig.Published.Finals.Select(f => Assert.Single(f.Tracks).ClassId));
        var finalized = Assert.Single(_rig.Published.Events, e => e.Kind == EventKind.TrackFinalized);
        Assert.Equal((0, 8, 2), (finalized.ClassId, Votes(finalized, 0), Votes(finalized, 1)));

        static int Votes(LifecycleEvent e, int classId) => e.Summary!.ClassVotes.Single(v => v.Key == classId).Value;
    }

    [Fact]
    public async Task RunAsync_ClassDiffersFromThenOn_FinalsFollowOnceItHasMoreVotes()
    {
        (_rig.Refiner.Window, _rig.Refiner.Stride, _rig.Refiner.Lookahead) = (2, 2, 0);
        var track = ClipBuilder.Track(1);

        await RunAsync(10, id => [new Slot(0, track, Item: id < 5 ? 2 : 1, ShownAs: 0)], ended: _ => []);

        Assert.Equal([0, 0, 0, 0, 1], _rig.Published.Finals.Select(f => Assert.Single(f.Tracks).ClassId));
        Assert.Equal([null, null, null, null, 0], _rig.Published.Finals.Select(f => f.Tracks[0].ProvisionalClassId));
        Assert.Equal(1, Assert.Single(_rig.Published.Events, e => e.Kind == EventKind.TrackFinalized).ClassId);
    }

    [Fact]
    public async Task RunAsync_ClassAsShown_SaysNothingOfIt()
    {
        var track = ClipBuilder.Track(1);

        await RunAsync(2, _ => [new Slot(0, track, Item: 2, ShownAs: 0)]);

        Assert.Null(Assert.Single(_rig.Published.Finals[0].Tracks).ProvisionalClassId);
    }

    [Fact]
    public async Task RunAsync_TrackOutOfSight_IsFoundByTheRefiner()
    {
        var track = ClipBuilder.Track(1);

        await RunAsync(4, id =>
            [new Slot(0, track, Item: 1, ShownAs: id == 2 ? null : 1, State: id == 2
                ? TrackState.Lost
                : TrackState.Active)]);

        Assert.Equal([1L, 2, 3, 4], _rig.Published.Finals.SelectMany(f => f.Tracks).SelectMany(t => t.Frames)
            .Where(f => f.Visible).Select(f => f.FrameId));
    }

    [Fact]
    public async Task RunAsync_TwoTracksOnOneObject_OnlyOneIsVisible()
    {
        var (first, second) = (ClipBuilder.Track(1), ClipBuilder.Track(2));

        await RunAsync(2, _ =>
            [new Slot(0, first, Item: 1, ShownAs: 1),
                new Slot(3, second, Item: 1, ShownAs: 1, State: TrackState.Lost)]);

        var final = _rig.Published.Finals[0];
        Assert.Equal(1, Assert.Single(final.Tracks).Number);
        Assert.Equal([2L], final.Retracted);
    }

    [Fact]
    public async Task RunAsync_ShownButNotThere_IsRetractedWithOneEvent()
    {
        var track = ClipBuilder.Track(7);

        await RunAsync(12, id => [new Slot(0, track, Item: 0, Found: 0, ShownAs: 0)]);

        Assert.All(_rig.Published.Finals, f => Assert.Equal([7L], f.Retracted));
        Assert.All(_rig.Published.Finals, f => Assert.Empty(f.Tracks));
        var told = Assert.Single(_rig.Published.Events);
        Assert.Equal((EventKind.TrackRetracted, 7L), (told.Kind, told.Track));
    }

    [Fact]
    public async Task RunAsync_TentativeTrack_IsNotInTheFinal()
    {
        var (tentative, later) = (ClipBuilder.Track(1, confirmed: false), ClipBuilder.Track(2, confirmed: false));

        await RunAsync(2, id =>
        {
            later.Confirmed = id == 2; // learned before the window is committed: it counts for the first frame, too
            return [new Slot(0, tentative, Item: 0), new Slot(1, later, Item: 1)];
        });

        var final = Assert.Single(Assert.Single(_rig.Published.Finals).Tracks);
        Assert.Equal(2, final.Number);
        Assert.Equal([1L, 2], final.Frames.Select(f => f.FrameId));
    }

    [Fact]
    public async Task RunAsync_MergedWhilePending_SpeaksOfTheOldTrack()
    {
        var (old, young) = (ClipBuilder.Track(1), ClipBuilder.Track(2));
        var merge = new IdentityChange([2], 1, 3);

        await RunAsync(6, id =>
        {
            if (id == 3) young.MergeInto(old);
            return [new Slot(2, id < 3 ? young : old, Item: 1, ShownAs: 1)];
        }, merges: id => id == 3 ? [merge] : []);

        var finals = _rig.Published.Finals;
        Assert.Equal([1L, 1], finals.SelectMany(f => f.Tracks).Select(t => t.Number).Take(2));
        Assert.All(finals, f => Assert.Empty(f.Retracted));
        Assert.Empty(finals[0].Identity);
        Assert.Equal(merge, Assert.Single(finals[1].Identity));
    }

    [Fact]
    public async Task RunAsync_LabelsFilter_HidesOtherClasses()
    {
        _rig.Publish.Labels = ["square"];
        var (circle, square) = (ClipBuilder.Track(1), ClipBuilder.Track(2));

        await RunAsync(2, _ => [new Slot(0, circle, Item: 0), new Slot(1, square, Item: 1)]);

        Assert.Equal(2, Assert.Single(_rig.Published.Finals[0].Tracks).Number);
    }

    [Fact]
    public async Task RunAsync_Behind_RepeatsWhatWasShown()
    {
        var track = ClipBuilder.Track(1);

        await RunAsync(
            4, id => [new Slot(0, track, Item: 2, ShownAs: 1, Score: id == 1 ? 0.9f : 0.8f)], isBehind: () => true);

        var finals = _rig.Published.Finals;
        Assert.All(finals, f => Assert.Equal((FinalKind.Passthrough, FinalReason.Overload), (f.Kind, f.Reason)));
        var final = finals[0].Tracks[0];
        // The best score is the track's; each frame keeps its own.
        Assert.Equal((1L, 1, 0.9f), (final.Number, final.ClassId, final.Score));
        Assert.Equal([0.9f, 0.8f], final.Frames.Select(f => f.Score));
        Assert.Equal(new RunLengthMask(4, 4, [2, 1, 13]).Counts, final.Frames[0].Mask!.Counts);
        Assert.Equal(0, _fake.Refiner.Runs);
    }

    [Fact]
    public async Task RunAsync_BehindAndToldToSkip_SaysNothing()
    {
        _rig.Refiner.OnOverload = OverloadPolicy.Skip;
        var track = ClipBuilder.Track(1);

        await RunAsync(4, _ => [new Slot(0, track, Item: 2, ShownAs: 1)], isBehind: () => true);

        Assert.All(_rig.Published.Finals, f =>
            Assert.Equal((FinalKind.Skipped, FinalReason.Overload, 0), (f.Kind, f.Reason, f.Tracks.Length)));
    }

    [Fact]
    public async Task RunAsync_WithoutRefiner_PassesEverythingOn()
    {
        using var rig = new CameraRig(_fake.Models(refines: false));
        (rig.Refiner.Stride, rig.Refiner.Lookahead) = (3, 5);
        var (clips, track) = (new ClipBuilder(rig.Tensors), ClipBuilder.Track(1));

        await RunAsync(7, _ => [new Slot(0, track, Item: 2, ShownAs: 1)], rig: rig, clips: clips);

        Assert.Equal([(1L, 3L), (4, 6), (7, 7)], rig.Published.Finals.Select(f => (f.FirstFrame, f.LastFrame)));
        Assert.All(rig.Published.Finals, f =>
            Assert.Equal((FinalKind.Passthrough, FinalReason.Disabled), (f.Kind, f.Reason)));
    }

    [Fact]
    public async Task RunAsync_RefinerFails_PassesTheWindowOnAndRecovers()
    {
        var track = ClipBuilder.Track(1);
        _fake.Refiner.FailFrom = 2;

        await RunAsync(8, id =>
        {
            if (id == 8) _fake.Refiner.FailFrom = int.MaxValue;
            return [new Slot(0, track, Item: 2, ShownAs: 0)];
        });

        Assert.Equal(
            [(FinalKind.Refined, FinalReason.None), (FinalKind.Passthrough, FinalReason.Error),
                (FinalKind.Refined, FinalReason.None), (FinalKind.Refined, FinalReason.End)],
            _rig.Published.Finals.Select(f => (f.Kind, f.Reason)));
        Assert.Single(_logger.Entries, e => e.Level == LogLevel.Error);
    }

    [Fact]
    public async Task RunAsync_TrackEnds_IsFinalizedOnceAfterItsLastFrameIsFinal()
    {
        var (gone, kept, unknown) = (ClipBuilder.Track(1), ClipBuilder.Track(2), ClipBuilder.Track(3));
        unknown.Announced = false;

        await RunAsync(8, id => [new Slot(0, kept, Item: 1, ShownAs: 1)], ended: id =>
            id == 4 ? [ClipBuilder.Ended(gone, 3), ClipBuilder.Ended(unknown, 1)] : []);

        var finalized = _rig.Published.Events.Where(e => e.Kind == EventKind.TrackFinalized).ToArray();
        Assert.Equal([1L, 2], finalized.Select(e => e.Track!.Value));
        var messages = _rig.Published.Messages.ToList();
        Assert.True(messages.IndexOf(finalized[0]) > messages.FindIndex(m => m is FinalResult { LastFrame: >= 3 }));
        Assert.NotNull(finalized[0].Summary);
        Assert.Equal(messages.Count - 1, messages.IndexOf(finalized[1])); // the other one ended with the epoch
    }

    /// <summary>What makes a long window cheap: embeddings stay, mask features go with the commit,
    /// and each frame's memory is computed once.</summary>
    [Fact]
    public async Task RunAsync_LongWindow_KeepsMaskFeaturesOnlyUntilTheCommit()
    {
        (_rig.Refiner.Window, _rig.Refiner.Stride, _rig.Refiner.Lookahead) = (12, 2, 1);
        var (given, rows) = (new List<TrackedFrame>(), 0);
        var forward = new FakeModel("frame_forward", (inputs, outputs) =>
        {
            rows += (int)inputs[0].Shape[0];
            _fake.FrameForward.Run(inputs, outputs);
        });
        var models = FakeDvis.Graphs(FakeDvis.Manifest, _fake.Segmenter, _fake.Tracker, forward, _fake.Refiner);
        using var method = VideoMethods.Create(models, _rig.Tensors, _rig.Refiner, _rig.Time, maxDelay: null);
        using var stage = _rig.RefineStage(method);

        await _rig.PublishAsync(stage.RunAsync(FramesAsync()));

        Assert.Equal(31, rows);

        async IAsyncEnumerable<TrackedFrame> FramesAsync()
        {
            for (var id = 1; id <= 31; id++)
            {
                given.Add(_clips.Frame(id, _epoch, []));
                yield return given[^1];
                await Task.Yield();
                Assert.InRange(given.Count(f => IsAlive(f.MaskFeatures)), 1, 3);
                Assert.Equal(Math.Min(id, 12), given.Count(f => IsAlive(f.Queries.InstanceEmbeds)));
            }
        }

        static bool IsAlive(Tensor tensor)
        {
            try
            {
                return tensor.Data != 0;
            }
            catch (ObjectDisposedException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task RunAsync_NoMoreFramesCome_CommitsAtTheDeadline()
    {
        var time = (ManualTime)_rig.Time;
        var (track, more) =
            (ClipBuilder.Track(1), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        using var method = _rig.Method();
        using var stage = _rig.RefineStage(method, maxDelay: TimeSpan.FromSeconds(3));

        var running = _rig.PublishAsync(stage.RunAsync(FramesAsync()));
        await Eventually.TrueAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(0.5));
            return _rig.Published.Finals.Length > 0;
        });
        Assert.InRange(time.GetUtcNow() - Some.Now, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(60));
        more.SetResult();
        await running;

        Assert.Equal(
            [(1L, 3L, FinalKind.Refined, FinalReason.Deadline), (4, 4, FinalKind.Refined, FinalReason.End)],
            _rig.Published.Finals.Select(f => (f.FirstFrame, f.LastFrame, f.Kind, f.Reason)));

        async IAsyncEnumerable<TrackedFrame> FramesAsync()
        {
            for (var id = 1; id <= 4; id++)
            {
                if (id == 4) await more.Task;
                yield return _clips.Frame(id, _epoch, [new Slot(0, track, Item: 2, ShownAs: 1)],
                    tracked: time.GetTimestamp());
            }
        }
    }

    /// <summary>All frames are there already; the time of a frame is that of its provisional result.</summary>
    [Fact]
    public async Task RunAsync_FramesWaited_AreCommittedFromTheDeadlineOn()
    {
        var time = (ManualTime)_rig.Time;
        time.Advance(TimeSpan.FromSeconds(3));
        using var method = _rig.Method();
        using var stage = _rig.RefineStage(method, maxDelay: TimeSpan.FromSeconds(3));

        long[] tracked = [0, 1, 2, 0];
        await _rig.PublishAsync(stage.RunAsync(tracked.Index().Select(t => _clips.Frame(
            t.Index + 1, _epoch, [new Slot(0, ClipBuilder.Track(1), Item: 2)], tracked: t.Item)).ToAsyncEnumerable()));

        Assert.Equal(
            [(1L, 1L, FinalReason.Deadline), (2, 4, FinalReason.End)],
            _rig.Published.Finals.Select(f => (f.FirstFrame, f.LastFrame, f.Reason)));
    }

    [Fact]
    public async Task RunAsync_FailureWhileItWaits_ThrowsTheCause()
    {
        var more = new TaskCompletionSource<TrackedFrame>();
        using var method = _rig.Method();
        using var stage = _rig.RefineStage(method, maxDelay: TimeSpan.FromSeconds(3));

        var running = _rig.PublishAsync(stage.RunAsync(FramesAsync()), new FailingPublisher());
        await Eventually.TrueAsync(() =>
        {
            ((ManualTime)_rig.Time).Advance(TimeSpan.FromSeconds(1));
            return running.IsCompleted;
        });

        await Assert.ThrowsAsync<InvalidDataException>(() => running);

        async IAsyncEnumerable<TrackedFrame> FramesAsync()
        {
            yield return _clips.Frame(1, _epoch, []);
            yield return await more.Task;
        }
    }

    [Fact]
    public async Task RunAsync_AFailureBeyondTheRefiner_LeaksNothing()
    {
        using var method = _rig.Method();
        var stage = _rig.RefineStage(method);

        await Assert.ThrowsAsync<InvalidDataException>(() =>
            _rig.PublishAsync(stage.RunAsync(FramesAsync(2, 10)), new FailingPublisher()));

        stage.Dispose();

        async IAsyncEnumerable<TrackedFrame> FramesAsync(int first, int count)
        {
            for (var id = first; id < first + count; id++)
            {
                await Task.Yield();
                yield return _clips.Frame(id, id < 4 ? _epoch : new Epoch("B"), []);
            }
        }
    }

    private async Task RunAsync(
        int frames, Func<long, IEnumerable<Slot>> slots, Func<bool>? isBehind = null,
        Func<long, IEnumerable<EndedTrack>>? ended = null,
        Func<long, IEnumerable<IdentityChange>>? merges = null, CameraRig? rig = null, ClipBuilder? clips = null,
        Func<long, int>? shift = null)
    {
        rig ??= _rig;
        using var method = rig.Method();
        using var stage = rig.RefineStage(method, isBehind, logger: _logger);
        await rig.PublishAsync(stage.RunAsync(FramesAsync()));

        async IAsyncEnumerable<TrackedFrame> FramesAsync()
        {
            Slot[] last = [];
            for (var id = 1L; id <= frames; id++)
            {
                last = [.. slots(id)];
                yield return (clips ?? _clips).Frame(
                    id, _epoch, last, ended?.Invoke(id), merges?.Invoke(id), shift: shift?.Invoke(id) ?? 0);
                await Task.Yield();
            }

            _epoch.End(FinalReason.End, ended is null
                ? []
                : [.. last.Select(s => ClipBuilder.Ended(s.Identity, frames))]);
        }
    }

    private sealed class FailingPublisher : IPublisher
    {
        public ValueTask PublishAsync(PipelineMessage message) => throw new InvalidDataException("no");
    }
}
