using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Zones;

/// <summary>Events of zones and lines for single ways of one or two tracks.</summary>
public sealed class ZoneWatchTests
{
    private static Seen At(double x, double y = 50) => new(1, x, y);

    [Fact]
    public void ATrackEntersAndLeavesAtTheFirstFrameOfItsStay()
    {
        var world = new ZoneWorld(inertia: 2);
        double[] way = [10, 45, 45, 10, 45, 10, 10];
        foreach (var (i, x) in way.Index()) world.Show(i, [At(x, 90)]);
        Assert.Equal(
            [(EventKind.TrackZoneEntered, 1L, 1L), (EventKind.TrackZoneLeft, 1L, 5L)],
            world.Facts(ZoneBasis.Provisional).Select(f => (f.Item1, f.Item2!.Value, f.Item3!.Value)));
        Assert.Equal(4, world.Events[1].Zone!.DwellSeconds);
    }

    // Standing at (50, 80) and looking up at (50, 20), x 45 is to the left.
    [Theory]
    [InlineData(45, 55, LineDirection.LeftToRight)]
    [InlineData(55, 45, LineDirection.RightToLeft)]
    public void ACrossingHasTheDirectionSeenFromTheFirstPoint(double from, double to, LineDirection direction)
    {
        var world = new ZoneWorld();
        world.Show(0, [At(from)]);
        world.Show(1, [At(to)]);
        var crossed = Assert.Single(world.Events, e => e.Kind == EventKind.TrackLineCrossed);
        Assert.Equal(direction, crossed.Zone!.Direction);
    }

    [Fact]
    public void AReturnBeforeTheInertiaCancelsACrossing()
    {
        var world = new ZoneWorld(inertia: 2);
        double[] way = [30, 70, 30, 70, 30];
        foreach (var (i, x) in way.Index()) world.Show(i, [At(x)]);
        Assert.Empty(world.Events);
    }

    [Fact]
    public void AWayRoundTheEndOfTheLineIsNoCrossing()
    {
        var world = new ZoneWorld();
        world.Show(0, [At(30)]);
        world.Show(1, [At(30, 95)]);
        world.Show(2, [At(70, 95)]);
        world.Show(3, [At(70)]);
        Assert.DoesNotContain(world.Events, e => e.Kind == EventKind.TrackLineCrossed);
    }

    [Fact]
    public void AClassThatDoesNotCountIsNowhere()
    {
        var world = new ZoneWorld(classes: [1]);
        world.Show(0, [At(45)]);
        world.Show(1, [At(55)]);
        Assert.Empty(world.Events);
    }

    [Fact]
    public void ATrackThatEndsLeavesAtItsLastFrame()
    {
        var world = new ZoneWorld();
        world.Show(0, [At(45)]);
        world.Show(1, [At(45)]);
        world.Show(2, []);
        world.Show(3, [], ended: (1, 1));
        var left = world.Events[^1];
        Assert.Equal((EventKind.TrackZoneLeft, 1L, "track_ended"), (left.Kind, left.Frame!.FrameId, left.Reason));
        world.Revise(0, [[At(45)], [At(45)], [], []]);
        Assert.Equal(world.Events.Take(2).Select(e => e.Id), world.Events.Skip(2).Select(e => e.Zone!.Confirms));
        Assert.Equal(0, world.Watch.Held);
    }

    [Fact]
    public void FinalsThatShowTheTrackElsewhereRetract()
    {
        var world = new ZoneWorld();
        world.Show(0, [At(45)]);
        world.Revise(0, [[At(30)]]);
        Assert.Equal(EventKind.TrackZoneRetracted, world.Events[1].Kind);
        Assert.Equal(world.Events[0].Id, world.Events[1].Zone!.Retracts);
    }

    [Fact]
    public void ASkippedWindowIsAnsweredByItsProvisionalResults()
    {
        var world = new ZoneWorld();
        world.Show(0, [At(45)]);
        world.Revise(0, [[]], kind: FinalKind.Skipped);
        Assert.Equal(world.Events[0].Id, world.Events[1].Zone!.Confirms);
    }

    [Fact]
    public void AMergedTrackIsConfirmedUnderItsNewNumber()
    {
        var world = new ZoneWorld();
        var merge = new IdentityChange([2], 1, 1);
        world.Show(0, [new(2, 45, 50)]);
        world.Show(1, [At(45)], merge: merge);
        world.Revise(0, [[At(45)], [At(45)]], merges: merge);
        Assert.Equal((1L, world.Events[0].Id), (world.Events[1].Track, world.Events[1].Zone!.Confirms));
        Assert.Equal(2, world.Events.Count);
    }

    /// <summary>As in a reset: frames of the next epoch are shown before the last finals of this one.</summary>
    [Fact]
    public void FinalsAfterANewEpochHasBegunConfirm()
    {
        var world = new ZoneWorld();
        world.Show(0, [At(45)]);
        world.Show(1, [At(45)]);
        world.Show(2, [At(30)], "f");
        world.Revise(0, [[At(45)], [At(45)]]);
        world.EndBefore("f");
        Assert.Equal(
            [EventKind.TrackZoneEntered, EventKind.TrackZoneLeft, EventKind.TrackZoneEntered, EventKind.TrackZoneLeft],
            world.Events.Select(e => e.Kind));
        Assert.Equal(world.Events.Take(2).Select(e => e.Id), world.Events.Skip(2).Select(e => e.Zone!.Confirms));
    }

    [Fact]
    public void ANewEpochAndTheEndSettleEverything()
    {
        var world = new ZoneWorld();
        world.Show(0, [At(45)]);
        world.Show(1, [At(45)], "f");
        world.EndBefore("f");
        world.End();
        var provisional = world.Events.Where(e => e.Zone!.Basis == ZoneBasis.Provisional).Select(e => e.Id);
        Assert.Equal(provisional.Order(), world.Events.Select(e => e.Zone!.Retracts).OfType<string>().Order());
        Assert.Equal(0, world.Watch.Held);
    }
}
