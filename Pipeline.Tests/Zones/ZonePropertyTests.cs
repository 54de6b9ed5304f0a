using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Zones;

namespace Dvis.Streaming.Pipeline.Tests.Zones;

/// <summary>Random ways of tracks, with flicker, losses, merges, skipped windows and resets.</summary>
public sealed class ZonePropertyTests
{
    private const int Window = 4, Frames = 200, Lag = 3;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void EachProvisionalEventIsAnsweredOnceAndFinalEventsGiveTheInsideSets(bool revised)
    {
        for (var seed = 0; seed < 150; seed++) Run(new Random(seed), revised, inertia: 1 + (seed % 4));
    }

    private static void Run(Random random, bool revised, int inertia)
    {
        var (world, epoch, expected) = (new ZoneWorld(inertia, [0]), 0, new Inside(inertia));
        var (window, merges) = (new List<Seen[]>(), new List<IdentityChange>());
        var x = Enumerable.Range(0, 4).ToDictionary(i => (long)i, _ => random.NextDouble() * 100);
        var (first, applied, next) = (0L, 0, 4L);
        for (var frame = 0L; frame < Frames; frame++)
        {
            if (random.Next(50) == 0) NewEpoch();
            foreach (var track in x.Keys.ToArray()) x[track] = Math.Clamp(x[track] + random.Next(-15, 16), 5, 95);
            Seen[] seen = [.. x.Where(_ => random.Next(5) > 0).Select(t => new Seen(t.Key, t.Value, 50, Class()))];
            IdentityChange? merge = null;
            var ended = new List<(long, long)>();
            if (random.Next(25) == 0)
            {
                var (from, into) = (x.Keys.Max(), x.Keys.Min());
                merges.Add(merge = new([from], into, frame));
                Replace(from);
            }
            else if (random.Next(25) == 0)
            {
                var gone = x.Keys.Max();
                ended.Add((gone, frame));
                Replace(gone);
            }

            seen = [.. seen.Where(s => x.ContainsKey(s.Track))];
            world.Show(frame, seen, $"{epoch}", merge, [.. ended]);
            expected.Ended.AddRange(ended);
            window.Add(seen);
            if (window.Count == Window + Lag) Commit(Window);
        }

        NewEpoch();
        world.End();
        CheckAnswers(world, revised);
        Assert.Equal(0, world.Watch.Held);

        int Class() => random.Next(10) == 0 ? 1 : 0;

        void Replace(long gone)
        {
            x.Remove(gone);
            x[next++] = random.NextDouble() * 100;
        }

        void NewEpoch()
        {
            while (window.Count > 0) Commit(Math.Min(Window, window.Count));
            (epoch, merges, expected) = (epoch + 1, [], new(inertia));
            world.EndBefore($"{epoch}");
        }

        void Commit(int count)
        {
            var provisional = window.Take(count).ToArray();
            var kind = random.Next(6) == 0 ? FinalKind.Skipped : FinalKind.Refined;
            Seen[][] final = kind == FinalKind.Skipped || !revised ? provisional
                : [.. provisional.Select(f => f.Where(_ => random.Next(8) > 0)
                    .Select(s => s with { X = Math.Clamp(s.X + random.Next(-6, 7), 5, 95) }).ToArray())];
            var last = first + count - 1;
            IdentityChange[] due = [.. merges.Where(m => m.AtFrame <= last)];
            merges.RemoveAll(m => m.AtFrame <= last);
            world.Revise(first, final, $"{epoch}", kind, due);
            expected.Apply(first, final, due);
            first += count;
            window.RemoveRange(0, count);
            Assert.Equal(expected.Tracks.Order(), world.Watch.FinalInside("door").Order());
            CheckEventSets(world, $"{epoch}", ref applied, expected);
        }
    }

    /// <summary>A consumer that applies final events and merges as schemas/README.md has it knows the same set.
    /// </summary>
    private static void CheckEventSets(ZoneWorld world, string epoch, ref int applied, Inside expected)
    {
        var inside = expected.Consumer;
        for (; applied < world.Events.Count; applied++)
        {
            var e = world.Events[applied];
            if (e.Zone!.Basis != ZoneBasis.Final || e.Zone.IsLine || e.Epoch != epoch) continue;
            var through = e.Reason == ZoneMachine.TrackEnded ? long.MaxValue : e.Frame!.FrameId;
            if (e.Kind == EventKind.TrackZoneEntered) inside.Add(e.Track!.Value);
            if (e.Kind == EventKind.TrackZoneLeft) inside.RemoveWhere(t => expected.Survivor(t, through) == e.Track);
        }

        Assert.Equal(expected.Tracks.Order(), inside.Select(t => expected.Survivor(t)).Distinct().Order());
    }

    private static void CheckAnswers(ZoneWorld world, bool revised)
    {
        var asked = world.Events.Where(e => e.Zone!.Basis == ZoneBasis.Provisional).ToDictionary(e => e.Id);
        var answers = world.Events.Where(e => (e.Zone!.Confirms ?? e.Zone.Retracts) is not null).ToList();
        Assert.Equal(asked.Keys.Order(), answers.Select(e => e.Zone!.Confirms ?? e.Zone.Retracts).Order());
        Assert.All(answers.Where(a => a.Zone!.Confirms is not null), a =>
        {
            var question = asked[a.Zone!.Confirms!];
            Assert.Equal(
                (question.Kind, question.Zone!.Name, question.Zone.Direction), (a.Kind, a.Zone.Name, a.Zone.Direction));
        });
        Assert.Equal(world.Events.Count, world.Events.DistinctBy(e => e.Id).Count());
        if (!revised) Assert.DoesNotContain(world.Events, e => e.Zone!.Retracts is not null);
    }

    /// <summary>Brute force: the tracks in the door, from the last observations of each.</summary>
    private sealed class Inside(int inertia)
    {
        private readonly Dictionary<long, List<bool>> _seen = [];
        private readonly Dictionary<long, (long Into, long AtFrame)> _into = [];

        public HashSet<long> Tracks { get; } = [];

        /// <summary>Tracks that entered and did not leave, by events.</summary>
        public HashSet<long> Consumer { get; } = [];

        public List<(long Track, long LastFrame)> Ended { get; } = [];

        /// <summary>The track that this one is, by the merges at this frame and before.</summary>
        public long Survivor(long track, long through = long.MaxValue) =>
            _into.TryGetValue(track, out var merge) && merge.AtFrame <= through
                ? Survivor(merge.Into, through) : track;

        public void Apply(long first, Seen[][] frames, IdentityChange[] merges)
        {
            foreach (var (i, seen) in frames.Index())
            {
                foreach (var m in merges.Where(m => m.AtFrame == first + i)) Merge(m);
                foreach (var s in seen) Observe(s);
            }

            foreach (var end in Ended.Where(e => e.LastFrame < first + frames.Length))
            {
                Tracks.Remove(end.Track);
                _seen.Remove(end.Track);
            }

            Ended.RemoveAll(e => e.LastFrame < first + frames.Length);
        }

        private void Observe(Seen s)
        {
            if (!_seen.TryGetValue(s.Track, out var flags)) _seen[s.Track] = flags = [];
            flags.Add(s.ClassId == 0 && s.X is >= 40 and <= 60);
            var last = flags.TakeLast(inertia).ToList();
            if (last.Count < inertia || last.Distinct().Count() > 1) return;
            if (last[0]) Tracks.Add(s.Track);
            else Tracks.Remove(s.Track);
        }

        private void Merge(IdentityChange merge)
        {
            var (from, into) = (merge.From[0], merge.Into);
            _into[from] = (into, merge.AtFrame);
            if (Tracks.Remove(from)) Tracks.Add(into);
            if (_seen.Remove(from)) _seen[into] = []; // the streak begins at 0
        }
    }
}
