using System.Runtime.CompilerServices;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>Whole videos in every mode, against what the live pipeline says of the same frames.</summary>
public sealed class VideoEvaluatorTests
{
    private static readonly EvaluationMode s_online = new(ModeKind.Online), s_offline = new(ModeKind.Offline),
        s_minvis = new(ModeKind.MinVis);
    private readonly FakeDvis _fake = new();

    public static TheoryData<int, int, int> Clips =>
        new() { { 1, 1, 0 }, { 5, 5, 0 }, { 4, 1, 0 }, { 8, 3, 2 }, { 20, 5, 10 }, { 64, 64, 0 } };

    [Theory]
    [MemberData(nameof(Clips))]
    public async Task SemiOnline_AnyClip_SaysWhatTheLivePipelineFinalises(int window, int stride, int lookahead)
    {
        const int count = 33;
        await using var rig = new PipelineRig(_fake.Models());
        (rig.Camera.Refiner.Window, rig.Camera.Refiner.Stride, rig.Camera.Refiner.Lookahead,
            rig.Camera.Publish.MaskGrid) = (window, stride, lookahead, 1);
        await rig.RunAsync(new PaintedSource(rig.Frames, rig.Camera.Time, count, Visible));

        var tubes = await TubesAsync(
            new EvaluationMode(ModeKind.SemiOnline, new ClipLengths(window, stride, lookahead)), count);

        // The two objects have two classes.
        var finals = rig.Published.Finals.SelectMany(f => f.Tracks).SelectMany(t =>
            t.Frames.Where(o => o.Visible).Select(o => (Class: t.ClassId, o.FrameId, Mask: o.Mask!))).ToArray();
        Assert.NotEmpty(finals);
        foreach (var (classId, frameId, mask) in finals)
            Assert.Equal(mask.Counts, tubes[classId].Masks[(int)frameId - 1].Counts);
        // The live pipeline publishes a track from its second frame on; a clip of one frame cannot make up for that.
        Assert.Equal(finals.Count(f => f.FrameId > 1), tubes.Sum(tube => tube.Masks.Skip(1).Count(m => !m.IsEmpty)));
    }

    /// <summary>The live finals of the same clips; the last one is shorter. Scores: the best clip's class probability,
    /// times the probability of the mask's pixels.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task GenVis_AnyClip_HasTheMasksOfTheLiveFinals(int clip)
    {
        const int count = 32;
        var fake = new FakeGenVis(clip);
        await using var rig = new PipelineRig(fake.Models());
        (rig.Camera.Publish.MaskGrid, rig.Camera.ResetEndedSlots) = (1, false);
        await rig.RunAsync(new PaintedSource(rig.Frames, rig.Camera.Time, count, Visible));

        using var own = new CameraRig(fake.Models());
        var mode = new EvaluationMode(ModeKind.GenVis, new ClipLengths(clip, clip, 0));
        var result = Assert.IsType<InstanceResult>(Assert.Single(await RunAsync(own, [mode], count)));

        Assert.Equal([0, 1], result.Tubes.Select(t => t.ClassId).Order());
        var finals = rig.Published.Finals.SelectMany(f => f.Tracks).SelectMany(t =>
            t.Frames.Where(o => o.Visible).Select(o => (Class: t.ClassId, o.FrameId, Mask: o.Mask!))).ToArray();
        Assert.NotEmpty(finals);
        foreach (var (classId, frameId, mask) in finals)
        {
            var tube = result.Tubes.Single(t => t.ClassId == classId);
            Assert.Equal(mask.Counts, tube.Masks[(int)frameId - 1].Counts);
        }

        var likely = Math.Exp(6) / (Math.Exp(6) + 2);
        Assert.All(result.Tubes, t => Assert.InRange(t.Score, 0.5 * likely, likely / (1 + Math.Exp(-1))));
    }

    /// <summary>One clip is sure, the others are not: the video is as sure as that clip.</summary>
    [Fact]
    public async Task GenVis_ClassProbability_IsTheMaximumOverTheClips()
    {
        var run = 0;
        var fake = new FakeGenVis(3, body: (inputs, outputs) =>
        {
            FakeGenVis.Answer(inputs, outputs);
            outputs[2].Span.Clear();
            if (run++ == 2) outputs[2].Span[1] = 3;
            outputs[3].Span.Fill(-100); // most features are -1: a mask everywhere, and sure of it
        });
        using var rig = new CameraRig(fake.Models());

        var mode = new EvaluationMode(ModeKind.GenVis, new ClipLengths(3, 3, 0));
        var result = await RunAsync(rig, [mode], 10, visible: (_, _) => true);

        var best = Assert.IsType<InstanceResult>(Assert.Single(result)).Tubes.MaxBy(t => t.ClassId == 1 ? t.Score : 0)!;
        Assert.Equal((0, 1), (best.Query, best.ClassId));
        Assert.Equal(Math.Exp(3) / (Math.Exp(3) + 2), best.Score, 1e-5);
        Assert.Equal(4, run);
    }

    /// <summary>Both objects have the masks of the live finals; scores are those of the detections.</summary>
    [Theory]
    [InlineData(5, 5, 0)]
    [InlineData(8, 3, 2)]
    public async Task RefineVis_AnyClip_HasTheMasksOfTheLiveFinals(int window, int stride, int lookahead)
    {
        const int count = 33;
        var fake = new FakeRefineVis();
        await using var rig = new PipelineRig(fake.Models());
        (rig.Camera.Refiner.Window, rig.Camera.Refiner.Stride, rig.Camera.Refiner.Lookahead,
            rig.Camera.Publish.MaskGrid) = (window, stride, lookahead, 1);
        await rig.RunAsync(new PaintedSource(rig.Frames, rig.Camera.Time, count, Visible));

        using var own = new CameraRig(fake.Models());
        var clip = new ClipLengths(window, stride, lookahead);
        var results = await RunAsync(
            own, [new EvaluationMode(ModeKind.SemiOnline, clip), new EvaluationMode(ModeKind.Online)], count);

        var tubes = Assert.IsType<InstanceResult>(results[0]).Tubes;
        Assert.Equal([0, 1], tubes.Select(t => t.ClassId).Order());
        Assert.All(tubes, t => Assert.Equal(Math.Exp(6) / (Math.Exp(6) + 2), t.Score, 1e-4));
        var finals = rig.Published.Finals.SelectMany(f => f.Tracks).SelectMany(t =>
            t.Frames.Where(o => o.Visible).Select(o => (Class: t.ClassId, o.FrameId, Mask: o.Mask!))).ToArray();
        Assert.NotEmpty(finals);
        foreach (var (classId, frameId, mask) in finals)
            Assert.Equal(mask.Counts, tubes.Single(t => t.ClassId == classId).Masks[(int)frameId - 1].Counts);
        Assert.Equal(2, Assert.IsType<InstanceResult>(results[1]).Tubes.Count);
    }

    /// <summary>A refiner that shows an object only where the last frame of its run has it, and that is the surer the
    /// more frames it gets: masks and scores tell which run has committed each frame.</summary>
    [Theory]
    [MemberData(nameof(Clips))]
    public async Task SemiOnline_AnyClip_AFrameIsOfTheRunThatHasSeenItsLookahead(int window, int stride, int lookahead)
    {
        const int count = 33;
        static bool Shown(int frame, int item) => item == 0 || (item == 3 && frame % 3 != 1);
        var tracker = new FakeModel("tracker", static (inputs, outputs) =>
        {
            FakeDvis.Track(inputs, outputs);
            outputs[2].Span.Clear(); // every class is as likely
        });
        var refiner = new FakeModel("refiner", static (inputs, outputs) =>
        {
            FakeDvis.Refine(inputs, outputs);
            var frames = (int)inputs[0].Shape[0];
            for (var q = 0; q < FakeDvis.Queries; q++)
            {
                var last = inputs[0].Span.Slice(((frames - 1) * FakeDvis.Queries + q) * FakeDvis.Hidden);
                for (var t = 0; t < frames && last[FakeDvis.Present] == 0; t++)
                    outputs[1].Span.Slice((t * FakeDvis.Queries + q) * FakeDvis.MaskChannels, FakeDvis.MaskChannels)
                        .Clear();
                foreach (ref var logit in outputs[0].Span.Slice(q * (FakeDvis.Classes + 1), FakeDvis.Classes))
                    if (logit > 0) logit = 2 + 0.1f * frames;
            }
        });
        using var rig = new CameraRig(FakeDvis.Graphs(
            FakeDvis.Manifest, _fake.Segmenter, tracker, _fake.FrameForward, refiner));

        var mode = new EvaluationMode(ModeKind.SemiOnline, new ClipLengths(window, stride, lookahead));
        var result = Assert.IsType<InstanceResult>(Assert.Single(await RunAsync(rig, [mode], count, visible: Shown)));

        // Frames that the run which commits a frame has seen; the last run commits what is left.
        int[] seen = [.. Enumerable.Range(0, count)
            .Select(f => Math.Min(count, (f / stride + 1) * stride + lookahead))];
        var moving = result.Tubes.Single(t => t.ClassId == 1);
        for (var f = 0; f < count; f++)
            Assert.Equal(Shown(f, 3) && Shown(seen[f] - 1, 3), !moving.Masks[f].IsEmpty);
        var mean = seen.Average(end => 2 + 0.1 * Math.Min(window, end));
        Assert.Equal(Math.Exp(mean) / (Math.Exp(mean) + 2), result.Tubes.Single(t => t.ClassId == 0).Score, 1e-4);
    }

    /// <summary>Logits 3, 0, 0 of one class in three frames, and 0 of the two others: the mean is 1, not the largest
    /// or the sum, and not the mean of the probabilities.</summary>
    [Fact]
    public async Task Online_ClassLogits_AreAveragedOverTheVideo()
    {
        var run = 0;
        var tracker = new FakeModel("tracker", (inputs, outputs) =>
        {
            FakeDvis.Track(inputs, outputs);
            outputs[2].Span.Clear();
            if (run++ == 0) outputs[2].Span[0] = 3;
        });
        using var rig = new CameraRig(FakeDvis.Graphs(FakeDvis.Manifest, _fake.Segmenter, tracker));

        var result = Assert.IsType<InstanceResult>(Assert.Single(await RunAsync(rig, [s_online], 3)));

        Assert.Equal((0, 0), (result.Tubes[0].Query, result.Tubes[0].ClassId));
        Assert.Equal(Math.E / (Math.E + 2), result.Tubes[0].Score, 1e-5);
    }

    /// <summary>The tracker is sure of one class of one query, the refiner of another of another.</summary>
    [Fact]
    public async Task SemiOnline_ClassScores_AreTheHigherOfTrackerAndRefiner()
    {
        const int row = FakeDvis.Classes + 1;
        var tracker = new FakeModel("tracker", static (inputs, outputs) =>
        {
            FakeDvis.Track(inputs, outputs);
            outputs[2].Span.Clear();
            outputs[2].Span[0] = 3;
        });
        var refiner = new FakeModel("refiner", static (inputs, outputs) =>
        {
            FakeDvis.Refine(inputs, outputs);
            outputs[0].Span.Clear();
            outputs[0].Span[row + 1] = 2;
        });
        using var rig = new CameraRig(FakeDvis.Graphs(
            FakeDvis.Manifest, _fake.Segmenter, tracker, _fake.FrameForward, refiner));

        var mode = new EvaluationMode(ModeKind.SemiOnline, new ClipLengths(3, 3, 0));
        var result = Assert.IsType<InstanceResult>(Assert.Single(await RunAsync(rig, [mode], 3)));

        Assert.Equal([(0, 0), (1, 1)], result.Tubes.Take(2).Select(t => (t.Query, t.ClassId)));
        Assert.Equal(Math.Exp(3) / (Math.Exp(3) + 2), result.Tubes[0].Score, 1e-5);
        Assert.Equal(Math.Exp(2) / (Math.Exp(2) + 2), result.Tubes[1].Score, 1e-5);
    }

    /// <summary>Mask logits of 1e-9 are above 0; float16 has no such number.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Run_MaskFeatures_AreExactUnlessHalfIsAskedFor(bool half)
    {
        var segmenter = new FakeModel("segmenter", static (inputs, outputs) =>
        {
            FakeDvis.Segment(inputs, outputs);
            foreach (ref var feature in outputs[1].Span) feature *= 1e-9f;
        });
        using var rig = new CameraRig(FakeDvis.Graphs(FakeDvis.Manifest, segmenter, _fake.Tracker));

        var result = Assert.IsType<InstanceResult>(Assert.Single(await RunAsync(rig, [s_online], 3, half: half)));

        Assert.Equal(!half, result.Tubes.SelectMany(t => t.Masks).Any(m => !m.IsEmpty));
    }

    [Fact]
    public async Task Online_AnyVideo_SaysWhatTheLivePipelineShows()
    {
        const int count = 21;
        await using var rig = new PipelineRig(_fake.Models());
        rig.Camera.Publish.MaskGrid = 1;
        await rig.RunAsync(new PaintedSource(rig.Frames, rig.Camera.Time, count, Visible));

        var tubes = await TubesAsync(s_online, count);

        var shown = rig.Published.Provisionals
            .SelectMany(p => p.Tracks.Select(t => (t.ClassId, p.Frame.FrameId, t.Mask))).ToArray();
        Assert.NotEmpty(shown);
        foreach (var (classId, frameId, mask) in shown)
            Assert.Equal(mask!.Counts, tubes[classId].Masks[(int)frameId - 1].Counts);
    }

    [Fact]
    public async Task MinVis_QueriesInAnotherOrderEachFrame_FollowsThemByMatching()
    {
        var online = await TubesAsync(s_online, 15);

        var matched = await TubesAsync(s_minvis, 15);

        for (var classId = 0; classId < 2; classId++)
            Assert.Equal(online[classId].Masks.Select(m => m.Counts), matched[classId].Masks.Select(m => m.Counts));
    }

    /// <summary>A model of the method MinVIS has one way only, whichever of the two modes is asked for.</summary>
    [Fact]
    public async Task Online_OfAMinVisModel_IsItsMatching()
    {
        using var rig = new CameraRig(_fake.MinVisModels());

        var results = await RunAsync(rig, [s_minvis, s_online], 15);

        Assert.Equal((15, 0), (_fake.Matcher.Runs, _fake.Tracker.Runs));
        var (minvis, online) = ((InstanceResult)results[0], (InstanceResult)results[1]);
        Assert.Contains(minvis.Tubes.SelectMany(t => t.Masks), m => !m.IsEmpty);
        Assert.Equal(minvis.Tubes.Select(t => (t.Query, t.ClassId, t.Score)),
            online.Tubes.Select(t => (t.Query, t.ClassId, t.Score)));
        Assert.Equal(minvis.Tubes.SelectMany(t => t.Masks).Select(m => m.Counts), online.Tubes.SelectMany(t => t.Masks)
            .Select(m => m.Counts));
    }

    [Fact]
    public async Task Offline_AnyLength_RunsTheRefinerOnceAndKeepsNoMaskFeatures()
    {
        const int count = 300;
        using var rig = new CameraRig(_fake.Models());

        var result = Assert.Single(await RunAsync(rig, [s_offline], count));

        Assert.Equal(1, _fake.Refiner.Runs);
        Assert.Equal(count, _fake.Segmenter.Runs);
        Assert.All(Assert.IsType<InstanceResult>(result).Tubes, tube => Assert.Equal(count, tube.Masks.Count));
        // Six sets of embeddings a frame at most, and a few of everything else. The features alone would be 1.2 MB.
        var (embeddings, features) =
            (FakeDvis.Queries * FakeDvis.Hidden * sizeof(float), FakeDvis.MaskChannels * 16 * 16 * sizeof(float));
        Assert.InRange(rig.Tensors.AllocatedBytes, 1, count * 7 * embeddings + 20 * features);
    }

    [Fact]
    public async Task Run_SeveralModes_SegmentsOnceAndSaysOfEachWhatItSaysAlone()
    {
        EvaluationMode[] modes = [s_minvis, s_online, new(ModeKind.SemiOnline, new ClipLengths(8, 3, 2)), s_offline];
        using var rig = new CameraRig(_fake.Models());

        var together = await RunAsync(rig, modes, 17);

        Assert.Equal(17, _fake.Segmenter.Runs);
        Assert.Equal(17, _fake.Tracker.Runs);
        for (var i = 0; i < modes.Length; i++)
        {
            var alone = Assert.IsType<InstanceResult>(Assert.Single(await RunAsync(rig, [modes[i]], 17)));
            var result = Assert.IsType<InstanceResult>(together[i]);
            Assert.Equal(alone.Tubes.Select(t => (t.Query, t.ClassId, t.Score)),
                result.Tubes.Select(t => (t.Query, t.ClassId, t.Score)));
            Assert.Equal(alone.Tubes.SelectMany(t => t.Masks).Select(m => m.Counts),
                result.Tubes.SelectMany(t => t.Masks).Select(m => m.Counts));
        }
    }

    [Theory]
    [InlineData("segmenter")]
    [InlineData("tracker")]
    [InlineData("refiner")]
    public async Task Run_AGraphFails_ThrowsItAndKeepsNothing(string graph)
    {
        var failing = graph switch { "segmenter" => _fake.Segmenter, "tracker" => _fake.Tracker, _ => _fake.Refiner };
        failing.FailFrom = graph == "refiner" ? 1 : 5;
        using var rig = new CameraRig(_fake.Models());

        var failure = await Assert.ThrowsAsync<ModelException>(() => RunAsync(rig, [s_online, s_offline], 9));

        Assert.Contains(graph, failure.Message);
    }

    [Fact]
    public async Task Run_AModelThatSaysNaN_IsNoResult()
    {
        var broken = new FakeModel("tracker", static (_, outputs) =>
        {
            foreach (var output in outputs) output.Span.Fill(float.NaN);
        });
        using var rig = new CameraRig(FakeDvis.Graphs(FakeDvis.Manifest, _fake.Segmenter, broken));

        Assert.Contains("a video: what fake says is no number",
            (await Assert.ThrowsAsync<ModelException>(() => RunAsync(rig, [s_online], 3))).Message);
    }

    [Fact]
    public async Task Run_Stopped_ThrowsThatAndKeepsNothing()
    {
        using var rig = new CameraRig(_fake.Models());
        using var stop = new CancellationTokenSource();
        var seen = 0;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync(rig, [s_offline], null, () =>
        {
            if (++seen == 6) stop.Cancel();
        }, stop: stop.Token));

        Assert.Equal(6, seen);
    }

    [Fact]
    public async Task Run_NoFrame_SaysSo()
    {
        using var rig = new CameraRig(_fake.Models());

        Assert.Contains("a video: the video has no frame",
            (await Assert.ThrowsAsync<EvaluationException>(() => RunAsync(rig, [s_online], 0))).Message);
    }

    [Fact]
    public async Task Run_AFrameOfAnotherSize_SaysWhichOne()
    {
        using var rig = new CameraRig(_fake.Models());
        using var pool = new FramePool();
        await using var segmenter = Segmenter(rig);

        var failure = await Assert.ThrowsAsync<EvaluationException>(() =>
            new VideoEvaluator(rig.Models, segmenter, rig.Tensors, [s_online], 2)
                .RunAsync("v7", FramesAsync(), () => { }, default));

        Assert.Equal("v7: frame 3 has 64x32 pixels, the frames before have 64x64.", failure.Message);
        Assert.Equal(0, pool.Outstanding);

        async IAsyncEnumerable<Frame> FramesAsync()
        {
            await Task.Yield();
            for (var i = 0; i < 5; i++) yield return Some.Frame(pool, 64, i < 2 ? 64 : 32, i + 1);
        }
    }

    private static bool Visible(int frame, int item) => item == 0 || (item == 3 && frame is < 6 or > 11);

    private static SegmenterBatcher Segmenter(CameraRig rig)
        => new(rig.Models.Segmenter, rig.Models.Manifest, new BatchOptions(), rig.Tensors, rig.Measured.Metrics,
            rig.Time);

    /// <summary>The tubes of the two objects, by class.</summary>
    private async Task<InstanceTube[]> TubesAsync(EvaluationMode mode, int frames)
    {
        using var rig = new CameraRig(_fake.Models());
        var result = Assert.IsType<InstanceResult>(Assert.Single(await RunAsync(rig, [mode], frames)));
        Assert.Equal([0, 1], result.Tubes.Select(t => t.ClassId).Order());
        return [.. result.Tubes.OrderBy(t => t.ClassId)];
    }

    private static async Task<IReadOnlyList<VideoResult>> RunAsync(CameraRig rig, EvaluationMode[] modes, int? frames,
        Action? progress = null, Func<int, int, bool>? visible = null, bool half = false,
        CancellationToken stop = default)
    {
        using var pool = new FramePool();
        await using var segmenter = Segmenter(rig);
        try
        {
            var source = new PaintedSource(pool, rig.Time, frames, visible ?? Visible);
            return await new VideoEvaluator(rig.Models, segmenter, rig.Tensors, modes, 2, half: half)
                .RunAsync("a video", Read(source, stop), progress ?? (() => { }), stop);
        }
        finally
        {
            Assert.Equal(0, pool.Outstanding);
        }
    }

    private static async IAsyncEnumerable<Frame> Read(PaintedSource source,
        [EnumeratorCancellation] CancellationToken stop)
    {
        await foreach (var frame in source.ReadAsync(stop)) yield return frame;
    }
}
