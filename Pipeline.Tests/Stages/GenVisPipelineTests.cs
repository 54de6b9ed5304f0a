using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

/// <summary>Clips of a method that cuts them itself, from frame to final.</summary>
public sealed class GenVisPipelineTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task RunAsync_ClipGraphFails_ThrowsItAndFinishesWhatCameBefore(int clip)
    {
        var fake = new FakeGenVis(clip);
        fake.Clip.FailFrom = 9;
        await using var rig = new PipelineRig(fake.Models());

        await Assert.ThrowsAsync<ModelException>(() => rig.RunAsync(Source(rig, null)));

        Assert.Equal(
            Enumerable.Range(1, 8).Select(i => (long)i),
            rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.Equal(2, rig.Published.Events.Count(e => e.Kind == EventKind.TrackFinalized));
    }

    /// <summary>Every frame is answered by a run on its clip so far; the clip's last run is final.</summary>
    [Fact]
    public async Task RunAsync_ToTheEnd_FinalsAreClipsAndTheLastOneMayBeShorter()
    {
        var fake = new FakeGenVis(3);
        await using var rig = new PipelineRig(fake.Models());

        await rig.RunAsync(Source(rig, 23));

        Assert.Equal(23, fake.Clip.Runs);
        Assert.Equal([3, 3, 3, 3, 3, 3, 3, 2], rig.Published.Finals.Select(f => f.Frames.Length));
        Assert.All(rig.Published.Finals, f => Assert.Equal(FinalKind.Refined, f.Kind));
        Assert.Equal(
            [.. Enumerable.Repeat(FinalReason.None, 7), FinalReason.End], rig.Published.Finals.Select(f => f.Reason));
        Assert.Equal(4, rig.Camera.Measured.Of("dvis.memory.clips")[^1]);
        Assert.Equal(3, rig.Camera.Measured.Of("dvis.memory.merged")[^1]);
    }

    /// <summary>A live camera pauses: its clip is final at the deadline, and the next frame begins another.</summary>
    [Fact]
    public async Task RunAsync_NoFrameForLong_EndsTheClipAtTheDeadline()
    {
        var time = new ManualTime();
        await using var rig = new PipelineRig(new FakeGenVis(3).Models(), time);
        rig.Camera.Refiner.MaxDelay = TimeSpan.FromSeconds(2);
        rig.Camera.Track.LostTimeout = TimeSpan.FromSeconds(10);

        await rig.RunAsync(Source(rig, 8, live: true, before: async (i, _) =>
        {
            await Eventually.TrueAsync(() => rig.Published.Provisionals.Length == i);
            if (i != 5) return;
            await Eventually.TrueAsync(() =>
            {
                time.Advance(TimeSpan.FromSeconds(0.5));
                return rig.Published.Finals.SelectMany(f => f.Frames).Count() == 5;
            });
        }));

        // The deadline of frame 4 may pass before frame 5 has come to the stage that revises: then it has its own.
        var finals = rig.Published.Finals;
        Assert.Equal((3, 3), (finals[0].Frames.Length, finals[^1].Frames.Length));
        Assert.Equal([4L, 5], finals[1..^1].SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.All(finals[1..^1], f => Assert.Equal(FinalReason.Deadline, f.Reason));
        Assert.Equal((FinalReason.None, FinalReason.None), (finals[0].Reason, finals[^1].Reason));
        Assert.All(finals, f => Assert.Equal(FinalKind.Refined, f.Kind));
    }

    /// <summary>The official answer of a clip is its last run alone: no mean with the runs before.</summary>
    [Fact]
    public async Task RunAsync_PeeksDisagree_FinalsHaveTheScoresOfTheLastRun()
    {
        var fake = new FakeGenVis(3, body: (inputs, outputs) =>
        {
            FakeGenVis.Answer(inputs, outputs);
            foreach (ref var logit in outputs[2].Span)
                if (logit > 0) logit = inputs[0].Shape[1] == 3 ? 2 : 9;
        });
        await using var rig = new PipelineRig(fake.Models());

        await rig.RunAsync(Source(rig, 9));

        var expected = Math.Exp(2) / (Math.Exp(2) + 2);
        var scores = rig.Published.Finals.SelectMany(f => f.Tracks).SelectMany(t => t.Frames).Select(f => f.Score);
        Assert.All(scores, score => Assert.Equal(expected, score, 1e-5));
        Assert.Equal(18, scores.Count());
    }

    /// <summary>An object that leaves for good frees its slot; without the option the slot remains its own.</summary>
    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public async Task RunAsync_TrackEnds_BeginsItsSlotAnewWhereWanted(bool reset, int expected)
    {
        var (time, runs, begun) = (new ManualTime(), 0, 0);
        float[] first = [.. Enumerable.Range(0, FakeDvis.Queries * FakeDvis.Hidden).Select(i => 1f + i)];
        var fake = new FakeGenVis(1, body: (inputs, outputs) =>
        {
            FakeGenVis.Answer(inputs, outputs);
            var query = inputs[1].Span.Slice(3 * FakeDvis.Hidden, FakeDvis.Hidden);
            if (runs++ > 0 && query.SequenceEqual(first.AsSpan(3 * FakeDvis.Hidden))) begun++;
        });
        await using var rig = new PipelineRig(fake.Models(first), time);
        (rig.Camera.ResetEndedSlots, rig.Camera.Track.LostTimeout) = (reset, TimeSpan.FromSeconds(0.5));

        await rig.RunAsync(Source(rig, 60, (i, item) => item == 0 || (item == 3 && i < 10), before: (_, _) =>
        {
            time.Advance(TimeSpan.FromSeconds(0.1));
            return ValueTask.CompletedTask;
        }));

        Assert.Contains(rig.Published.Events, e => e is { Kind: EventKind.TrackEnded, Track: 2 });
        Assert.Equal(expected, begun);
    }

    private static PaintedSource Source(
        PipelineRig rig, int? frames, Func<int, int, bool>? visible = null, bool live = false,
        Func<int, CancellationToken, ValueTask>? before = null)
        => new(rig.Frames, rig.Camera.Time, frames, visible ?? ((_, item) => item < 2))
        {
            IsLive = live,
            Before = before,
        };
}
