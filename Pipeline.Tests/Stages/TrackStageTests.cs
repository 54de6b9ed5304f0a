using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

/// <summary>The stage on segmented frames whose objects, places and classes the test chooses;
/// a frame is 16 x 16 pixels on a grid of 4 x 4 cells.</summary>
public sealed class TrackStageTests : IDisposable
{
    private readonly FakeDvis _fake = new();
    private readonly CameraRig _rig;

    // Class by object; the fake tracker's own rule is item mod 2.
    private readonly Dictionary<int, int> _classOf = [];
    private readonly List<float> _isFirst = [];

    public TrackStageTests()
    {
        var tracker = new FakeModel("tracker", (inputs, outputs) =>
        {
            _isFirst.Add(inputs[3].Span[0]);
            _fake.Tracker.Run(inputs, outputs);
            foreach (var (item, classId) in _classOf)
            {
                for (var q = 0; q < FakeDvis.Queries; q++)
                {
                    var embedding = inputs[1].Span.Slice(q * FakeDvis.Hidden, FakeDvis.Hidden);
                    if (embedding[item] == 0 || embedding[FakeDvis.Present] == 0) continue;
                    var logits = outputs[2].Span.Slice(q * (FakeDvis.Classes + 1), FakeDvis.Classes + 1);
                    logits.Clear();
                    logits[classId] = 6;
                }
            }
        });
        _rig = new CameraRig(FakeDvis.Graphs(FakeDvis.Manifest, _fake.Segmenter, tracker));
    }

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task RunAsync_ObjectsInShuffledQueries_KeepTheirIds()
    {
        await RunAsync(6, (_, world) => world.Put(0, row: 0).Put(1, row: 2));

        Assert.All(_rig.Published.Provisionals[1..], p => Assert.Equal([1L, 2], p.Tracks.Select(t => t.Number)));
        var last = _rig.Published.Provisionals[^1].Tracks;
        Assert.Equal((new Box(0, 0, 16, 4), new Box(0, 8, 16, 4)), (last[0].Box, last[1].Box));
        Assert.Equal((0, 1), (last[0].ClassId, last[1].ClassId));
        Assert.Equal((6, 64.0, true), (last[0].AgeFrames, last[0].AreaPx, last[0].Truncated));
    }

    [Fact]
    public async Task RunAsync_NothingThere_PublishesEmptyResults()
    {
        await RunAsync(3, (_, world) => world);

        Assert.Equal([1L, 2, 3], _rig.Published.Provisionals.Select(p => p.Frame.FrameId));
        Assert.All(_rig.Published.Provisionals, p => Assert.Empty(p.Tracks));
        Assert.Empty(_rig.Published.Events);
    }

    [Fact]
    public async Task RunAsync_FramesWereDropped_SaysHowMany()
    {
        await RunAsync(3, (_, world) => world, info: (i, f) => f with { FrameId = 1 + i * 4 });

        Assert.Equal([0L, 3, 3], _rig.Published.Provisionals.Select(p => p.DroppedSinceLast));
    }

    [Fact]
    public async Task RunAsync_SessionChanges_EndsTheTracksAndBeginsAnEpoch()
    {
        var tracked = await RunAsync(6, (_, world) => world.Put(0, row: 0), info: (i, f) => f with { Session = i / 3 });

        Assert.Equal(2, tracked.Select(t => t.Epoch).Distinct().Count());
        Assert.Equal([1f, 0, 0, 1, 0, 0], _isFirst);
        Assert.Equal(
            [EventKind.TrackStarted, EventKind.TrackEnded, EventKind.TrackStarted, EventKind.TrackEnded],
            _rig.Published.Events.Select(e => e.Kind));
        Assert.Equal([null, null, null, "source_restarted", null, null], tracked.Select(t => t.Reset));
        Assert.Equal(
            ["source_restarted", "shutdown"],
            _rig.Published.Events.Where(e => e.Kind != EventKind.TrackStarted).Select(e => e.Reason));
        Assert.Equal((FinalReason.Reset, 1), (tracked[0].Epoch.EndReason, tracked[0].Epoch.Ended.Length));
        Assert.Equal((FinalReason.End, 1), (tracked[5].Epoch.EndReason, tracked[5].Epoch.Ended.Length));
        foreach (var epoch in _rig.Published.Events.GroupBy(e => e.Epoch))
            Assert.Equal(Enumerable.Range(1, epoch.Count()).Select(i => (long)i), epoch.Select(e => e.Sequence));
    }

    /// <summary>A score of exactly <c>track.min_score</c> is a detection, in provisional results.</summary>
    [Fact]
    public async Task RunAsync_ScoreAtMinScore_IsADetection()
    {
        await RunAsync(2, (_, world) => world.Put(0, row: 0));
        var score = (double)Assert.Single(_rig.Published.Provisionals[^1].Tracks).Score;

        _rig.Track.MinScore = score;
        await RunAsync(2, (_, world) => world.Put(0, row: 0));
        Assert.Single(_rig.Published.Provisionals[^1].Tracks);

        _rig.Track.MinScore = Math.BitIncrement(score);
        await RunAsync(2, (_, world) => world.Put(0, row: 0));
        Assert.Empty(_rig.Published.Provisionals[^1].Tracks);
    }

    /// <summary>Rows of 4 x 16 pixels; rules of one class leave the other alone.</summary>
    [Theory]
    [InlineData(0.999, null, null, new[] { 1 })]
    [InlineData(null, 0.999, null, new[] { 1 })]
    [InlineData(null, null, 64.0, new[] { 0, 1 })]
    [InlineData(null, null, 64.1, new[] { 1 })]
    public async Task RunAsync_RulesOfAClass_CountForItAlone(double? least, double? start, double? area, int[] classes)
    {
        _rig.Track.Classes[FakeDvis.Manifest.Classes[0].Name] =
            new() { MinScore = least, StartScore = start, MinArea = area };

        await RunAsync(3, (_, world) => world.Put(0, row: 0).Put(1, row: 2));

        Assert.Equal(classes, _rig.Published.Provisionals[^1].Tracks.Select(t => t.ClassId));
    }

    /// <summary>A class may have lower thresholds than the camera, too.</summary>
    [Fact]
    public async Task RunAsync_RulesOfAClass_OverrideThoseOfTheCamera()
    {
        (_rig.Track.MinScore, _rig.Track.MinArea) = (0.999, 1000);
        _rig.Track.Classes[FakeDvis.Manifest.Classes[0].Name] = new() { MinScore = 0.5, MinArea = 0 };

        await RunAsync(3, (_, world) => world.Put(0, row: 0).Put(1, row: 2));

        Assert.Equal([0], _rig.Published.Provisionals[^1].Tracks.Select(t => t.ClassId));
    }

    /// <summary>Camera gone for a moment: who counts tracks that end now hears that nobody looked.</summary>
    [Theory]
    [InlineData(1.9, 1, null)]
    [InlineData(2.1, 1, "no_frames")]
    [InlineData(2.1, 5, "frames_dropped")]
    public async Task RunAsync_NoFrameForLongerThanALostTrackLives_SaysSo(double seconds, int frames, string? reason)
    {
        await RunAsync(4, (_, world) => world, info: (i, f) => i < 2 ? f : f with
        {
            FrameId = f.FrameId + frames - 1,
            ReceivedTicks = f.ReceivedTicks + ManualTime.Ticks(TimeSpan.FromSeconds(seconds)),
        });

        Assert.Equal(reason is null
            ? []
            : [(EventKind.DataGap, reason)], _rig.Published.Events.Select(e => (e.Kind, e.Reason!)));
        Assert.Single(_rig.Published.Provisionals.Select(p => p.Epoch).Distinct());
    }

    [Fact]
    public async Task RunAsync_ClassComesThroughTheFilterLater_StartsThenAndIsToldToItsEnd()
    {
        _rig.Publish.Labels = ["square"];

        await RunAsync(14, (i, world) =>
        {
            _classOf[0] = i is >= 4 and < 9 ? 1 : 0;
            return world.Put(0, row: 1);
        });

        var shown = _rig.Published.Provisionals.Where(p => p.Tracks.Length > 0).ToArray();
        Assert.InRange(shown.Length, 1, 6);
        Assert.Equal([EventKind.TrackStarted, EventKind.TrackUpdated, EventKind.TrackEnded],
            _rig.Published.Events.Select(e => e.Kind));
        Assert.Equal(shown[0].Frame.FrameId, _rig.Published.Events[0].Frame!.FrameId);
        Assert.Equal((1, null), (_rig.Published.Events[0].ClassId, _rig.Published.Events[0].Reason));
    }

    [Fact]
    public async Task RunAsync_ClassNeverThroughTheFilter_IsNeverTold()
    {
        _rig.Publish.Labels = ["square"];

        var tracked = await RunAsync(5, (_, world) => world.Put(0, row: 1));

        Assert.Empty(_rig.Published.Events);
        Assert.All(_rig.Published.Provisionals, p => Assert.Empty(p.Tracks));
        Assert.False(Assert.Single(tracked[0].Epoch.Ended).Identity.Announced);
    }

    [Fact]
    public async Task RunAsync_TrackerFails_EndsWhatWasToldAndLeaksNothing()
    {
        _fake.Tracker.FailFrom = 5;

        await Assert.ThrowsAsync<ModelException>(() => RunAsync(10, (_, world) => world.Put(0, row: 0)));

        Assert.Equal([EventKind.TrackStarted, EventKind.TrackEnded], _rig.Published.Events.Select(e => e.Kind));
        Assert.Equal("failure", _rig.Published.Events[^1].Reason);
    }

    [Fact]
    public async Task RunAsync_ContoursWanted_TracesThem()
    {
        _rig.Publish.Contours = true;

        await RunAsync(2, (_, world) => world.Put(0, row: 1));

        Assert.Equal(8, Assert.Single(_rig.Published.Provisionals[^1].Tracks).Contour!.Points.Length);
    }

    private async Task<List<TrackedFrame>> RunAsync(int frames, Func<int, World, World> paint,
        Func<int, FrameInfo, FrameInfo>? info = null)
    {
        var tracked = new List<TrackedFrame>();
        using var method = _rig.Method();
        await foreach (var frame in _rig.TrackAsync(method, FramesAsync()))
        {
            tracked.Add(frame);
            frame.Dispose();
        }

        return tracked;

        async IAsyncEnumerable<SegmentedFrame> FramesAsync()
        {
            for (var i = 0; i < frames; i++)
            {
                await Task.Yield();
                var plain = Some.FrameInfo(16, 16, i + 1) with { ReceivedTicks = i * 100_000 };
                yield return paint(i, new World()).Segment(_rig.Tensors, info?.Invoke(i, plain) ?? plain, rotation: i);
            }
        }
    }

    private sealed class World
    {
        private readonly Dictionary<int, int> _rowOf = [];

        public World Put(int item, int row)
        {
            _rowOf[item] = row;
            return this;
        }

        public SegmentedFrame Segment(TensorPool pool, FrameInfo info, int rotation)
        {
            var embeds = pool.Rent(1, FakeDvis.Queries, FakeDvis.Hidden);
            var features = pool.Rent(1, FakeDvis.MaskChannels, 4, 4);
            embeds.Span.Clear();
            features.Span.Fill(-1);
            for (var item = 0; item < FakeDvis.Queries; item++)
            {
                var embedding =
                    embeds.Span.Slice((item + rotation) % FakeDvis.Queries * FakeDvis.Hidden, FakeDvis.Hidden);
                embedding[item] = 1;
                if (!_rowOf.TryGetValue(item, out var row)) continue;
                embedding[FakeDvis.Present] = 1;
                features.Span.Slice(item * 16 + row * 4, 4).Fill(1);
            }

            return new SegmentedFrame(info, new InputGeometry(16, 16, 16, 16, 16, 16, 4, 4), embeds, features, default);
        }
    }
}
