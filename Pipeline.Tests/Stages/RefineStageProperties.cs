using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using FsCheck;
using FsCheck.Fluent;
using Slot = Dvis.Streaming.Pipeline.Tests.Stages.ClipBuilder.Slot;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

/// <summary>The contract of final results, whatever the clip, the gaps, the epochs and the load.</summary>
public sealed class RefineStageProperties
{
    [Theory]
    [InlineData("dvis")]
    [InlineData("genvis")]
    public void RunAsync_AnyStream_CoversEveryFrameExactlyOnce(string method)
        => Check.QuickThrowOnFailure(Prop.ForAll(
            ArbMap.Default.ArbFor<NonNegativeInt>(), ArbMap.Default.ArbFor<int[]>(),
            (seed, schedule) => CheckStreamAsync(method, seed.Get, schedule).GetAwaiter().GetResult()));

    [Theory]
    [InlineData("dvis")]
    [InlineData("genvis")]
    public async Task RunAsync_LongStreams_CoverEveryFrameExactlyOnce(string method)
    {
        for (var seed = 0; seed < 80; seed++)
        {
            var random = new Random(seed);
            await CheckStreamAsync(method, seed, [.. Enumerable.Range(0, 90).Select(_ => random.Next())]);
        }
    }

    private static async Task CheckStreamAsync(string name, int seed, int[] schedule)
    {
        var random = new Random(seed);
        var fake = new FakeDvis();
        var clip = name == "genvis" ? 2 + random.Next(6) : 0;
        using var rig = new CameraRig(
            clip > 0 ? new FakeGenVis(clip).Models() : fake.Models(refines: random.Next(6) > 0));
        rig.Refiner.Window = 1 + random.Next(14);
        rig.Refiner.Stride = 1 + random.Next(rig.Refiner.Window);
        rig.Refiner.Lookahead = random.Next(rig.Refiner.Window - rig.Refiner.Stride + 1);
        if (clip > 0) (rig.Refiner.Window, rig.Refiner.Stride, rig.Refiner.Lookahead) = (clip, clip, 0);
        rig.Refiner.OnOverload = random.Next(2) == 0 ? OverloadPolicy.Skip : OverloadPolicy.Passthrough;
        var load = random.Next(3) * 0.4;
        var world = new World(rig, fake, schedule, clip);

        TimeSpan? maxDelay = random.Next(3) == 0 ? TimeSpan.FromSeconds(1) : null;
        using (var method = rig.Method())
        using (var stage = rig.RefineStage(method, () => random.NextDouble() < load, maxDelay))
            await rig.PublishAsync(stage.RunAsync(world.FramesAsync()));

        var committed =
            rig.Refiner.Stride + (rig.Models.Find(MethodContract.Refiner) is null ? 0 : rig.Refiner.Lookahead);
        Assert.Equal(world.Epochs.Where(e => e.Frames.Count > 0).Select(e => e.Epoch.Id),
            rig.Published.Finals.Select(f => f.Epoch).Distinct());
        foreach (var epoch in world.Epochs.Where(e => e.Frames.Count > 0))
            CheckEpoch(epoch, rig, committed, maxDelay is not null || clip > 0);
    }

    private static void CheckEpoch(EpochLog epoch, CameraRig rig, int mostPending, bool deadlines)
    {
        var finals = rig.Published.Finals.Where(f => f.Epoch == epoch.Epoch.Id).ToArray();
        Assert.Equal(epoch.Frames.Select(f => f.Id), finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.Equal(epoch.Frames[0].Id, finals[0].FirstFrame);
        Assert.Equal(epoch.Frames[^1].Id, finals[^1].LastFrame);
        Assert.Equal(finals[^1].LastFrame, epoch.Epoch.FinalThrough);
        for (var i = 1; i < finals.Length; i++) Assert.Equal(finals[i - 1].LastFrame + 1, finals[i].FirstFrame);
        Assert.All(finals, f => Assert.InRange(f.Frames.Length, 1, mostPending));
        if (!deadlines) Assert.All(finals[..^1], f => Assert.Equal(rig.Refiner.Stride, f.Frames.Length));
        foreach (var final in finals) CheckFinal(final, epoch);

        var messages = rig.Published.Messages.ToList();
        var finalized = rig.Published.Events.Where(e => e.Epoch == epoch.Epoch.Id && e.Kind == EventKind.TrackFinalized)
            .ToArray();
        Assert.Equal(epoch.Ended.Keys.Order(), finalized.Select(e => e.Track!.Value).Order());
        foreach (var e in finalized)
        {
            var covered = messages.FindIndex(m =>
                m is FinalResult f && f.Epoch == e.Epoch && f.LastFrame >= epoch.Ended[e.Track!.Value]);
            Assert.InRange(messages.IndexOf(e), covered, int.MaxValue);
        }
    }

    private static void CheckFinal(FinalResult final, EpochLog epoch)
    {
        var shown = epoch.Frames.Where(f => f.Id >= final.FirstFrame && f.Id <= final.LastFrame)
            .SelectMany(f => f.Shown.Select(n => (Frame: f.Id, Number: n))).ToArray();
        var tracks = final.Tracks.Select(t => t.Number).ToArray();
        Assert.Equal(tracks.Distinct().Order(), tracks);
        Assert.Empty(tracks.Intersect(final.Retracted));
        foreach (var track in final.Tracks)
        {
            Assert.Contains(track.Frames, f => f.Visible);
            Assert.Equal(track.Frames.Select(f => f.FrameId).Distinct().Order(), track.Frames.Select(f => f.FrameId));
            Assert.Subset(final.Frames.Select(f => f.FrameId).ToHashSet(), track.Frames.Select(f => f.FrameId)
                .ToHashSet());
        }

        switch (final.Kind)
        {
            case FinalKind.Refined:
                Assert.Equal(shown.Select(s => s.Number).Distinct().Except(tracks).Order(), final.Retracted);
                break;
            case FinalKind.Passthrough:
                Assert.Equal(shown.Order(), final.Tracks.SelectMany(t => t.Frames.Select(f => (f.FrameId, t.Number)))
                    .Order());
                Assert.Empty(final.Retracted);
                break;
            default:
                Assert.Empty(final.Tracks);
                Assert.Equal(FinalReason.Overload, final.Reason);
                break;
        }
    }

    private sealed record FrameLog(long Id, long[] Shown);

    private sealed record EpochLog(Epoch Epoch, List<FrameLog> Frames, Dictionary<long, long> Ended);

    /// <summary>Draws each frame from one number: ids with gaps, four tracks that come and go,
    /// now and then a new epoch or a failing refiner.</summary>
    /// <param name="clip">Frames of a clip of GenVIS, which may also end earlier; 0: the method has none.</param>
    private sealed class World(CameraRig rig, FakeDvis fake, int[] schedule, int clip)
    {
        private readonly ClipBuilder _clips = new(rig.Tensors);
        private long _numbers;
        private int _place; // of the last frame in its clip

        public List<EpochLog> Epochs { get; } = [];

        public async IAsyncEnumerable<TrackedFrame> FramesAsync()
        {
            var (id, tracks) = (0L, new TrackIdentity[FakeDvis.Queries]);
            Begin();
            foreach (var value in schedule)
            {
                var random = new Random(value);
                id += 1 + (random.Next(4) == 0 ? random.Next(5) : 0);
                if (random.Next(15) == 0) Begin();
                fake.Refiner.FailFrom = random.Next(10) == 0 ? 0 : int.MaxValue;
                var ended = new List<EndedTrack>();
                for (var slot = 0; slot < tracks.Length; slot++)
                {
                    if (random.Next(12) > 0) continue;
                    ended.Add(End(tracks[slot]));
                    tracks[slot] = New();
                }

                Slot[] slots = [.. tracks.Select((track, i) =>
                    new Slot(i, track, random.Next(4), random.Next(2), random.Next(3) == 0 ? null : random.Next(2)))];
                Epochs[^1].Frames.Add(
                    new FrameLog(id, [.. slots.Where(s => s.ShownAs is not null).Select(s => s.Identity.Number)]));
                yield return _clips.Frame(id, Epochs[^1].Epoch, slots, ended, tracked: random.Next(20) == 0
                    ? -10_000_000
                    : 0, place: Place(random));
                await Task.Yield();
            }

            Finish(FinalReason.End);

            int Place(Random random)
                => clip == 0 ? 0 : _place = _place == clip || random.Next(7) == 0 ? 1 : _place + 1;

            void Begin()
            {
                _place = 0;
                if (Epochs.Count > 0) Finish(FinalReason.Reset);
                Epochs.Add(new EpochLog(new Epoch($"E{Epochs.Count}"), [], []));
                for (var i = 0; i < tracks.Length; i++) tracks[i] = New();
            }

            void Finish(FinalReason reason) => Epochs[^1].Epoch.End(reason, [.. tracks.Select(End)]);

            TrackIdentity New() => ClipBuilder.Track(++_numbers);

            EndedTrack End(TrackIdentity track)
            {
                var last = Epochs[^1].Frames.LastOrDefault(f => f.Shown.Contains(track.Number))?.Id
                    ?? Epochs[^1].Frames.LastOrDefault()?.Id ?? id;
                Epochs[^1].Ended[track.Number] = last;
                return ClipBuilder.Ended(track, last);
            }
        }
    }
}
