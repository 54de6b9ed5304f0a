using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Results;
using Sighting = Dvis.Streaming.Pipeline.Tests.Identity.TrackManagerRig.Sighting;

namespace Dvis.Streaming.Pipeline.Tests.Identity;

public sealed class TrackManagerTests
{
    private readonly TrackManagerRig _world = new();

    [Fact]
    public void Update_SeenOftenEnough_StartsOnce()
    {
        var ball = new Sighting(Slot: 1, At: 10, Look: 0);
        _world.See(ball);
        Assert.Empty(_world.Changes);
        Assert.Equal(TrackState.Tentative, _world.Tracks.Tracks[0].State);

        _world.See(5, ball);

        Assert.Equal(["TrackStarted 1"], _world.Story);
        Assert.Equal(TrackState.Active, _world.Tracks.SeenIn(1)!.State);
        Assert.Equal(6, _world.Tracks.SeenIn(1)!.Age);
    }

    [Fact]
    public void Update_ConfirmFramesOne_StartsAtOnce()
    {
        var world = new TrackManagerRig(options: new TrackOptions { ConfirmFrames = 1 });

        world.See(new Sighting(0, 10, 0));

        Assert.Equal(["TrackStarted 1"], world.Story);
    }

    [Fact]
    public void Update_BelowStartScore_ContinuesATrackButStartsAndConfirmsNone()
    {
        var world = new TrackManagerRig(startScore: 0.5);
        Sighting weak = new(0, 10, 0, Score: 0.3f), sure = weak with { Score = 0.6f };

        world.See(5, weak);
        world.See(sure);
        world.See(weak);
        Assert.Empty(world.Changes);
        Assert.Empty(world.Tracks.Tracks);

        world.See(2, sure);
        world.See(50, weak);
        Assert.Equal(["TrackStarted 2"], world.Story.Take(1));
        Assert.DoesNotContain(world.Story, change => change.StartsWith("TrackLost", StringComparison.Ordinal));
        Assert.Equal(2, world.In(0));
    }

    [Fact]
    public void Update_BelowStartScore_BringsNoLostTrackBack()
    {
        var world = new TrackManagerRig(startScore: 0.5);
        Sighting sure = new(0, 10, 0, Score: 0.6f), elsewhere = sure with { Slot = 1, At = 70 };
        world.See(3, sure);
        world.See(8);

        world.See(elsewhere with { Score = 0.3f });
        Assert.Null(world.In(1));

        world.See(elsewhere);
        Assert.Equal(1, world.In(1));
    }

    /// <summary>The slot of a track that ends is free; one that has another object meanwhile, or had a track that was
    /// never confirmed, is not.</summary>
    [Fact]
    public void Freed_TracksEnd_AreTheSlotsThatNobodyHas()
    {
        var world = new TrackManagerRig();
        var (left, other) = (new Sighting(0, 10, 0), new Sighting(1, 50, 2, Class: 1));
        var (replaced, replacing) = (new Sighting(2, 70, 3), new Sighting(2, 30, 4, Class: 1));
        world.See(5, left, other, replaced);
        world.See(other, replacing, new Sighting(3, 85, 5));
        var freed = new List<int>();
        for (var i = 0; i < 40; i++)
        {
            world.See(other, replacing);
            freed.AddRange(world.Tracks.Freed);
        }

        Assert.Equal(2, world.Story.Count(change => change.StartsWith("TrackEnded", StringComparison.Ordinal)));
        Assert.Equal([0], freed);
    }

    [Fact]
    public void Update_WeakTentativeBesideASureNewcomer_TheNewcomerHasTheObject()
    {
        var world = new TrackManagerRig(startScore: 0.5);
        world.See(new Sighting(0, 10, 0, Score: 0.6f));

        world.See(2, new Sighting(0, 10, 0, Score: 0.3f), new Sighting(1, 10, 1, Score: 0.9f));

        Assert.Equal(2, world.In(1));
        Assert.Equal(["TrackStarted 2"], world.Story);
    }

    [Fact]
    public void Update_MissedWhileTentative_IsForgotten()
    {
        _world.See(new Sighting(0, 10, 0));
        _world.See();

        Assert.Empty(_world.Changes);
        Assert.Empty(_world.Tracks.Tracks);
        Assert.Equal(default, _world.Tracks.SlotTracks()[0]);
    }

    [Fact]
    public void Update_OutOfSight_IsLostThenEnds()
    {
        _world.See(3, new Sighting(0, 10, 0));
        _world.See(4);
        Assert.Equal(["TrackStarted 1"], _world.Story);

        _world.See();
        Assert.Equal(["TrackStarted 1", "TrackLost 1"], _world.Story);
        Assert.Equal(TrackState.Lost, _world.Tracks.SlotTracks()[0].State);

        _world.See(14); // 1.9 s in all
        Assert.Empty(_world.Tracks.Ended);
        _world.See(1);
        if (_world.Tracks.Ended.IsEmpty) _world.See(1); // 2.0 s, give or take a rounding

        Assert.Equal(["TrackStarted 1", "TrackLost 1", "TrackEnded 1"], _world.Story);
        var ended = Assert.Single(_world.Tracks.Ended);
        Assert.Equal((1L, 3L), (ended.Identity.Number, ended.LastFrameId));
        Assert.Equal((3, 0.9f), (ended.Summary.Frames, ended.Summary.MaxScore));
        Assert.Equal("lost_timeout", _world.Changes[^1].Reason);
        Assert.Empty(_world.Tracks.Tracks);
    }

    [Fact]
    public void Update_ReturnsInItsSlotElsewhere_KeepsItsId()
    {
        _world.See(3, new Sighting(0, 10, 0));
        _world.See(8);

        _world.See(new Sighting(0, 70, 0));
        Assert.Equal(["TrackStarted 1", "TrackLost 1"], _world.Story);
        Assert.Equal(1, _world.In(0));
        _world.See(new Sighting(0, 70, 0));

        Assert.Equal(["TrackStarted 1", "TrackLost 1", "TrackUpdated 1"], _world.Story);
        Assert.Equal("returned", _world.Changes[^1].Reason);
        Assert.Equal(1, _world.In(0));
    }

    /// <summary>In sight for a frame or two, out of it for fewer frames than make it lost: no event at all.</summary>
    [Theory]
    [InlineData(1, 4, 5)]
    [InlineData(2, 2, 3)]
    [InlineData(1, 0, 1)]
    public void Update_FlickersBelowLostAfter_IsNeverLost(int seen, int missed, int lostAfter)
    {
        var world = new TrackManagerRig(options: new TrackOptions { LostAfter = lostAfter });
        world.See(3, new Sighting(0, 10, 0));
        for (var i = 0; i < 15; i++)
        {
            world.See(missed);
            world.See(seen, new Sighting(0, 10, 0));
        }

        Assert.Equal(["TrackStarted 1"], world.Story);
        world.See(lostAfter);
        Assert.Equal(["TrackStarted 1", "TrackLost 1"], world.Story);
    }

    /// <summary>A lost track of which a single frame is found now and then stays lost, with one event.</summary>
    [Fact]
    public void Update_GlimpsesOfALostTrack_AreNotItsReturn()
    {
        _world.See(3, new Sighting(0, 10, 0));
        for (var i = 0; i < 10; i++)
        {
            _world.See(5);
            _world.See(new Sighting(0, 10, 0));
        }

        Assert.Equal(["TrackStarted 1", "TrackLost 1"], _world.Story);

        _world.See();
        _world.See(new Sighting(0, 10, 0)); // the second frame since it was last lost

        Assert.Equal(["TrackStarted 1", "TrackLost 1", "TrackUpdated 1"], _world.Story);
        Assert.Equal("returned", _world.Changes[^1].Reason);
    }

    [Fact]
    public void Update_ReturnsWithAnotherClass_IsToldTwice()
    {
        var world = new TrackManagerRig(options: new TrackOptions { ConfirmFrames = 3 });
        var doubtful = new Sighting(0, 10, 0, Class: 0, Score: 0.2f);
        world.See(3, doubtful);
        world.See(5);
        world.See(doubtful);
        world.See(2, doubtful with { Class = 1, Score = 0.95f });

        Assert.Equal(["TrackStarted 1", "TrackLost 1", "TrackUpdated 1", "TrackUpdated 1"], world.Story);
        Assert.Equal([null, null, "returned", "class"], world.Changes.Select(c => c.Reason));
    }

    [Theory]
    [InlineData(0.5f, 1)]
    [InlineData(0.4999f, 0)]
    public void Update_ScoreAtStartScore_Starts(float score, int tracks)
    {
        var world = new TrackManagerRig(startScore: 0.5);

        world.See(2, new Sighting(0, 10, 0, Score: score));

        Assert.Equal(tracks, world.Changes.Count);
    }

    /// <summary>The object moves to another slot, and a doubtful one comes into its own.</summary>
    [Fact]
    public void Update_AnotherSlotTakesOver_TheDoubtfulOneInTheOldSlotIsNotTheTrack()
    {
        var world = new TrackManagerRig(startScore: 0.5);
        world.See(3, new Sighting(0, 10, 0));

        world.See(new Sighting(0, 60, 3, Score: 0.3f), new Sighting(1, 11, 0, Score: 0.2f));

        Assert.Equal((null, 1), (world.In(0), world.In(1)));
        Assert.Equal(["TrackStarted 1"], world.Story);
    }

    [Fact]
    public void Update_AnySightings_NoTrackIsSeenTwice()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var world = new TrackManagerRig(startScore: 0.5);
            for (var i = 0; i < 60; i++)
            {
                world.See([.. Enumerable.Range(0, 4).Where(_ => random.Next(3) > 0).Select(slot => new Sighting(
                    slot, random.Next(10) * 9, random.Next(4), Score: 0.2f + random.NextSingle() * 0.7f))]);
                long[] seen = [.. Enumerable.Range(0, 4).Select(world.In).OfType<long>()];
                Assert.Equal(seen.Distinct(), seen);
            }
        }
    }

    /// <summary>Frames come every 0.125 s: out of sight for exactly the time-out is not too long.</summary>
    [Theory]
    [InlineData(0.5, 4, 0)]
    [InlineData(0.5, 5, 1)]
    [InlineData(0.49, 4, 1)]
    public void Update_OutOfSightForTheTimeout_EndsOnlyBeyondIt(double timeout, int missed, int ended)
    {
        var options = new TrackOptions { LostTimeout = TimeSpan.FromSeconds(timeout) };
        var world = new TrackManagerRig(options: options) { Step = 0.125 };
        world.See(2, new Sighting(0, 10, 0));

        world.See(missed);

        Assert.Equal(ended, world.Changes.Count(c => c.Kind == EventKind.TrackEnded));
    }

    [Fact]
    public void Update_ReturnsInAnotherSlot_KeepsItsIdByItsLooks()
    {
        _world.See(3, new Sighting(0, 10, 0), new Sighting(1, 40, 1));
        _world.See(8, new Sighting(1, 40, 1));

        _world.See(new Sighting(3, 70, 0), new Sighting(1, 40, 1));

        Assert.Equal(1, _world.In(3));
        Assert.Null(_world.In(0));
        Assert.Equal(2, _world.In(1));
        Assert.Null(_world.Tracks.SlotTracks()[0].Identity);
    }

    [Fact]
    public void Update_ReturnsWithTheSmallestSimilarity_KeepsItsId()
    {
        var world = new TrackManagerRig(options: new TrackOptions { ReidentifySimilarity = 1 });
        world.See(3, new Sighting(0, 10, 0), new Sighting(1, 40, 1));
        world.See(8, new Sighting(1, 40, 1));

        world.See(new Sighting(3, 70, 0), new Sighting(1, 40, 1));

        Assert.Equal((1, 2), (world.In(3), world.In(1)));
    }

    [Fact]
    public void Update_LooksAlikeButOfAnotherClass_IsAnotherTrack()
    {
        _world.See(3, new Sighting(0, 10, 0, Class: 0));
        _world.See(8);

        _world.See(2, new Sighting(3, 70, 0, Class: 1));

        Assert.Equal(2, _world.In(3));
    }

    [Fact]
    public void Update_AnotherObjectInTheSlot_GetsANewId()
    {
        _world.See(3, new Sighting(0, 10, 0));

        _world.See(5, new Sighting(0, 70, 1));

        Assert.Equal(2, _world.In(0));
        Assert.Equal(["TrackStarted 1", "TrackStarted 2", "TrackLost 1"], _world.Story);
    }

    [Fact]
    public void Update_TurnsWithoutMoving_StaysTheSame()
    {
        _world.See(3, new Sighting(0, 10, 0));

        _world.See(3, new Sighting(0, 14, 5));

        Assert.Equal(1, _world.In(0));
    }

    [Fact]
    public void Update_TheSlotChangesUnderAnObject_IsHandedOverByOverlap()
    {
        _world.See(3, new Sighting(0, 10, 0));

        _world.See(new Sighting(2, 12, 3));

        Assert.Equal(1, _world.In(2));
        Assert.Equal(["TrackStarted 1"], _world.Story);
    }

    [Fact]
    public void Update_TwoObjectsSwapSlots_KeepTheirIds()
    {
        _world.See(3, new Sighting(0, 10, 0), new Sighting(1, 60, 1));

        _world.See(3, new Sighting(1, 11, 0), new Sighting(0, 61, 1));

        Assert.Equal((2L, 1L), (_world.In(0)!.Value, _world.In(1)!.Value));
        Assert.Equal(["TrackStarted 1", "TrackStarted 2"], _world.Story);
    }

    /// <summary>The one that is still in its slot is not robbed by a newcomer that looks the same,
    /// even one with a better score.</summary>
    [Fact]
    public void Update_ANewcomerLooksLikeANeighbour_TheNeighbourKeepsItsId()
    {
        _world.See(3, new Sighting(0, 10, 0), new Sighting(1, 40, 1, Score: 0.5f));

        _world.See(2, new Sighting(0, 70, 1, Score: 0.99f), new Sighting(1, 40, 1, Score: 0.5f));

        Assert.Equal(2, _world.In(1));
        Assert.Equal(3, _world.In(0));
    }

    [Fact]
    public void Update_TwoQueriesOnOneObject_AreOneTrack()
    {
        _world.See(3, new Sighting(0, 10, 0));

        _world.See(4, new Sighting(2, 10, 0, Score: 0.99f), new Sighting(0, 11, 0));

        Assert.Equal(1, _world.In(0));
        Assert.Null(_world.In(2));
        Assert.Single(_world.Tracks.Tracks);
    }

    [Fact]
    public void Update_AYoungTrackTurnsOutToBeALostOne_IsMerged()
    {
        _world.See(3, new Sighting(0, 10, 0));
        _world.See(6);
        _world.See(3, new Sighting(2, 70, 1)); // at first it looks like nothing known
        Assert.Equal(2, _world.In(2));
        var young = _world.Tracks.SeenIn(2)!.Identity;

        _world.See(new Sighting(2, 70, 0));

        Assert.Equal(1, _world.In(2));
        Assert.Equal(1, young.Resolve().Number);
        Assert.Equal(["TrackStarted 1", "TrackLost 1", "TrackStarted 2", "TrackIdentityChanged 2", "TrackUpdated 1"],
            _world.Story);
        Assert.Equal(1, _world.Changes[3].Into);
        var merge = Assert.Single(_world.Tracks.Merges);
        Assert.Equal((2L, 1L, _world.FrameId), (Assert.Single(merge.From), merge.Into, merge.AtFrame));
        Assert.Single(_world.Tracks.Tracks);
    }

    [Fact]
    public void Update_AnOldTrackResemblesALostOne_IsNotMerged()
    {
        _world.See(3, new Sighting(0, 10, 0));
        _world.See(6);
        _world.See(9, new Sighting(2, 70, 1));

        _world.See(new Sighting(2, 70, 0));

        Assert.Equal(2, _world.In(2));
    }

    [Fact]
    public void Update_SeenTogetherOnce_AreNeverMerged()
    {
        _world.See(3, new Sighting(0, 10, 0), new Sighting(2, 70, 1));
        _world.See(new Sighting(2, 70, 0)); // the other one has just gone

        Assert.Equal(2, _world.In(2));
        Assert.Equal(2, _world.Tracks.Tracks.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Update_ClassChanges_IsTold(int missed)
    {
        _world.See(3, new Sighting(0, 10, 0, Class: 0));
        _world.See(missed);

        _world.See(4, new Sighting(0, 10, 0, Class: 1));

        Assert.Equal(["TrackStarted 1", "TrackUpdated 1"], _world.Story);
        Assert.Equal("class", _world.Changes[1].Reason);
        Assert.Equal(1, _world.Tracks.SeenIn(0)!.ClassId);
    }

    /// <summary>Its class is that with the largest sum of scores, and its votes say so.</summary>
    [Fact]
    public void Update_ClassesAlternate_MajorityOfScoresWithoutAnEvent()
    {
        for (var i = 0; i < 40; i++) _world.See(new Sighting(0, 10, 0, Class: i % 2, Score: i % 2 == 0 ? 0.75f : 0.7f));
        _world.Tracks.EndAll(FinalReason.End, "shutdown");

        Assert.Equal(["TrackStarted 1", "TrackEnded 1"], _world.Story);
        Assert.Equal([new(0, 15), new(1, 14)], _world.Changes[^1].Summary!.ClassVotes);
        Assert.Equal(0, _world.Tracks.Ended[0].ClassId);
    }

    [Fact]
    public void Update_FewSureFramesAgainstManyDoubtfulOnes_TheSumDecides()
    {
        _world.See(7, new Sighting(0, 10, 0, Class: 0, Score: 0.3f)); // 2.1: three votes
        _world.See(3, new Sighting(0, 10, 0, Class: 1, Score: 0.95f)); // 2.85: three votes, a tie
        Assert.Equal(0, _world.Tracks.SeenIn(0)!.ClassId);
        _world.See(new Sighting(0, 10, 0, Class: 1, Score: 0.95f));
        _world.Tracks.EndAll(FinalReason.End, "shutdown");

        Assert.Equal(["TrackStarted 1", "TrackUpdated 1", "TrackEnded 1"], _world.Story);
        Assert.Equal("class", _world.Changes[1].Reason);
        Assert.Equal([new(1, 4), new(0, 3)], _world.Changes[^1].Summary!.ClassVotes);
        Assert.Equal(1, _world.Tracks.Ended[0].ClassId);
    }

    [Fact]
    public void Update_BeforeItStarts_TheLargerScoreHasTheClass()
    {
        _world.See(new Sighting(0, 10, 0, Class: 0, Score: 0.3f));
        _world.See(new Sighting(0, 10, 0, Class: 1, Score: 0.6f));

        Assert.Equal(1, _world.Tracks.SeenIn(0)!.ClassId);
        Assert.Equal(["TrackStarted 1"], _world.Story);
    }

    [Fact]
    public void Update_LongInSight_IsToldAtTheInterval()
    {
        var world = new TrackManagerRig(options: new TrackOptions { UpdateInterval = TimeSpan.FromSeconds(1) });

        world.See(24, new Sighting(0, 10, 0));

        Assert.Equal(["TrackStarted 1", "TrackUpdated 1", "TrackUpdated 1"], world.Story);
        Assert.Equal("interval", world.Changes[^1].Reason);
    }

    [Theory]
    [InlineData(0.5, 1)]
    [InlineData(0.51, 0)]
    public void Update_InSightForTheInterval_IsToldFromThenOn(double interval, int told)
    {
        var options = new TrackOptions { UpdateInterval = TimeSpan.FromSeconds(interval), ConfirmFrames = 1 };
        var world = new TrackManagerRig(options: options) { Step = 0.125 };

        world.See(5, new Sighting(0, 10, 0));

        Assert.Equal(told, world.Changes.Count(c => c.Kind == EventKind.TrackUpdated));
    }

    [Fact]
    public void Update_MoreLostTracksThanTheLimit_TheLongestLostEnd()
    {
        var world = new TrackManagerRig(queries: 2, looks: 20,
            options: new TrackOptions { LostTimeout = TimeSpan.FromHours(1) });
        for (var i = 0; i < 12; i++) world.See(2, new Sighting(0, i % 9 * 10, i));

        Assert.Equal(8, world.Tracks.Tracks.Count);
        Assert.Equal([1L, 2, 3, 4], world.Changes.Where(c => c.Kind == EventKind.TrackEnded).Select(c => c.Track));
        Assert.Equal("limit", world.Changes.Last(c => c.Kind == EventKind.TrackEnded).Reason);
    }

    [Fact]
    public void EndAll_SeenWithAGap_SummaryCountsTheFramesSeenAndNamesTheFirstOfTheBestScore()
    {
        _world.See(new Sighting(0, 10, 0, Score: 0.7f));
        _world.See(2, new Sighting(0, 10, 0, Score: 0.8f));
        _world.See();
        _world.See(new Sighting(0, 10, 0, Score: 0.6f));

        _world.Tracks.EndAll(FinalReason.End, "end");

        var summary = Assert.Single(_world.Epoch.Ended).Summary;
        Assert.Equal((2L, 0.8f, 4), (summary.BestFrameId, summary.MaxScore, summary.Frames));
        Assert.Equal(0.4, summary.DurationSeconds, 6);
    }

    [Fact]
    public void EndAll_WithTracksOfAllKinds_EndsTheConfirmedOnesWithTheEpoch()
    {
        _world.See(3, new Sighting(0, 10, 0), new Sighting(1, 40, 1));
        _world.See(4, new Sighting(1, 40, 1));
        _world.See(new Sighting(1, 40, 1), new Sighting(2, 70, 2)); // the third is tentative

        _world.Tracks.EndAll(FinalReason.Gap, "gap");

        Assert.Equal(["TrackStarted 1", "TrackStarted 2", "TrackLost 1", "TrackEnded 1", "TrackEnded 2"], _world.Story);
        Assert.Equal(FinalReason.Gap, _world.Epoch.EndReason);
        Assert.Equal([1L, 2], _world.Epoch.Ended.Select(e => e.Identity.Number).Order());
        Assert.Empty(_world.Tracks.Tracks);
    }
}
