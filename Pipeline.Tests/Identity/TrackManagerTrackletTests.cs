using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Results;
using Sighting = Dvis.Streaming.Pipeline.Tests.Identity.TrackManagerRig.Sighting;

namespace Dvis.Streaming.Pipeline.Tests.Identity;

/// <summary>Tracks of a method with an association of its own: a track is a tracklet.</summary>
public sealed class TrackManagerTrackletTests
{
    private readonly TrackManagerRig _world = new() { Tracklets = [0, 1, -1, -1] };

    [Fact]
    public void Update_SameTracklet_ContinuesWhereverItIsAndWhateverItLooksLike()
    {
        _world.See(3, new Sighting(Slot: 0, At: 10, Look: 0));

        _world.See(3, new Sighting(Slot: 0, At: 70, Look: 5, Class: 1));

        Assert.Equal(1, _world.In(0));
        Assert.Single(_world.Changes, change => change.Kind == EventKind.TrackStarted);
    }

    [Fact]
    public void Update_AnotherTrackletInTheSlot_IsAnotherTrackAlsoAtTheSamePlace()
    {
        var ball = new Sighting(Slot: 0, At: 10, Look: 0);
        _world.See(3, ball);
        _world.Tracklets![0] = 5;

        _world.See(3, ball);

        Assert.Equal(["TrackStarted 1", "TrackEnded 1", "TrackStarted 2"], _world.Story);
    }

    [Fact]
    public void Update_TrackletLeft_EndsTheTrackAndALookalikeDoesNotGetItsId()
    {
        _world.See(3, new Sighting(Slot: 0, At: 10, Look: 0));
        _world.Tracklets![0] = -1;

        _world.See(3, new Sighting(Slot: 1, At: 10, Look: 0));

        Assert.Equal(["TrackStarted 1", "TrackEnded 1", "TrackStarted 2"], _world.Story);
        Assert.Equal("lost_timeout", _world.Changes[1].Reason);
    }

    [Fact]
    public void Update_TrackletInTheMemory_OutlivesTheTimeout()
    {
        var world = new TrackManagerRig(options: new TrackOptions { LostTimeout = TimeSpan.FromSeconds(0.2) })
        { Tracklets = [0, -1, -1, -1] };
        var ball = new Sighting(Slot: 0, At: 10, Look: 0);
        world.See(3, ball);

        world.See(9);
        world.See(3, ball);

        Assert.Equal(["TrackStarted 1", "TrackLost 1", "TrackUpdated 1"], world.Story);
        Assert.Equal(1, world.In(0));
    }

    [Fact]
    public void Update_TwoTrackletsOnOneObject_ShowOne()
    {
        _world.See(3, new Sighting(0, 10, 0), new Sighting(1, 11, 0, Score: 0.5f));

        Assert.Equal((1, null), (_world.In(0), _world.In(1)));
    }
}
