using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Results;
using FsCheck;
using FsCheck.Fluent;
using Sighting = Dvis.Streaming.Pipeline.Tests.Identity.TrackManagerRig.Sighting;

namespace Dvis.Streaming.Pipeline.Tests.Identity;

/// <summary>Whatever the network claims to see, the stories of the tracks stay legal.</summary>
public sealed class TrackManagerProperties
{
    [Fact]
    public void Update_AnySchedule_TellsLegalStories()
        => Check.QuickThrowOnFailure(Prop.ForAll(ArbMap.Default.ArbFor<int[]>(), Tell));

    [Fact]
    public void Update_LongSchedules_TellLegalStories()
    {
        for (var seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            Tell([.. Enumerable.Range(0, 200).Select(_ => random.Next())]);
        }
    }

    /// <summary>One frame for each number, drawn from it.</summary>
    private static void Tell(int[] schedule)
    {
        var world = new TrackManagerRig(queries: 5, looks: 3,
            options: new TrackOptions { LostTimeout = TimeSpan.FromSeconds(0.7) });
        var started = 0L;
        foreach (var seed in schedule)
        {
            var random = new Random(seed);
            var before = world.Changes.Count;
            world.See([.. Enumerable.Range(0, 5).Where(_ => random.Next(3) > 0).Select(slot => new Sighting(
                slot, random.Next(4) * 20 + random.Next(11), random.Next(3), random.Next(2),
                    0.3f + 0.7f * random.NextSingle(), random.Next(3)))]);

            var occupants = world.Tracks.SlotTracks().Where(o => o.Identity is not null).Select(o => o.Identity!.Number)
                .ToArray();
            Assert.Equal(occupants.Distinct(), occupants);
            Assert.InRange(world.Tracks.Tracks.Count, occupants.Length, 20);
            foreach (var track in world.Tracks.Tracks)
                if (track.Slot >= 0)
                    Assert.Equal(track.Identity.Number, world.Tracks.SlotTracks()[track.Slot].Identity!.Number);
            var now = world.Changes.Skip(before).ToArray();
            Assert.Equal(now.Where(c => c.Kind == EventKind.TrackEnded).Select(c => c.Track),
                world.Tracks.Ended.Select(e => e.Identity.Number));
            Assert.Equal(now.Where(c => c.Kind == EventKind.TrackIdentityChanged).Select(c => c.Track),
                world.Tracks.Merges.Select(m => m.From[0]));
            foreach (var change in now.Where(c => c.Kind == EventKind.TrackStarted))
            {
                Assert.DoesNotContain(world.Changes.Take(world.Changes.IndexOf(change)), c => c.Track == change.Track);
                started++;
            }
        }

        world.Tracks.EndAll(FinalReason.End, "shutdown");
        var stories = world.Changes.GroupBy(c => c.Track).ToArray();
        Assert.Equal(started, stories.Length);
        foreach (var story in stories) CheckStory([.. story]);
    }

    private static void CheckStory(TrackManagerRig.Change[] story)
    {
        Assert.Equal(EventKind.TrackStarted, story[0].Kind);
        Assert.True(story[^1].Kind is EventKind.TrackEnded or EventKind.TrackIdentityChanged);
        var (lost, classId) = (false, story[0].ClassId);
        foreach (var change in story[1..^1])
        {
            switch (change.Kind)
            {
                case EventKind.TrackLost:
                    Assert.False(lost);
                    lost = true;
                    break;
                case EventKind.TrackUpdated:
                    if (change.Reason == "class") Assert.NotEqual(classId, change.ClassId);
                    else Assert.Equal(lost, change.Reason == "returned");
                    if (change.Reason == "returned") lost = false;
                    if (change.Reason == "class") classId = change.ClassId;
                    break;
                default:
                    Assert.Fail($"{change.Kind} in the middle of a track's story");
                    break;
            }
        }

        Assert.Equal(story[^1].Kind == EventKind.TrackEnded, story[^1].Summary is not null);
        if (story[^1].Summary is not { } summary) return;
        Assert.Equal(story[^1].ClassId, summary.ClassVotes[0].Key);
        Assert.Equal(summary.ClassVotes.Max(v => v.Value), summary.ClassVotes[0].Value);
        Assert.Equal(classId, story[^1].ClassId);
    }
}
