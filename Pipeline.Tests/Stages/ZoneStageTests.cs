using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Dvis.Streaming.Pipeline.Zones;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

/// <summary>Zones and lines in a camera's whole pipeline. Two objects move to the right in frames of 64 x 64 pixels, by
/// four pixels every fourth frame: the anchor of the first is at x 8 in the first frame, that of the second at x 20.
/// </summary>
public sealed class ZoneStageTests
{
    // The right half of the frame, and a line down its middle, seen from below: the objects cross left to right.
    private static readonly ZoneShape s_right = new(
        "right", false, [new(0.5, 0), new(1, 0), new(1, 1), new(0.5, 1)], false, [], 3);

    private static readonly ZoneShape s_middle = new("middle", true, [new(31, 64), new(31, 0)], true, [], 3);

    [Theory, MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public async Task RunAsync_ObjectsMoveIntoAZoneAndOverALine_BothAreDecidedAndConfirmed(string method)
    {
        await using var rig = new PipelineRig(FakeMethods.Models(method, new FakeDvis()));
        rig.Camera.Zones = new([s_right, s_middle]);

        await rig.RunAsync(Source(rig, 40));

        // Anchors are at x 32 or beyond from frame 25 on, and from frame 13 on.
        (EventKind, long?, long?)[] expected =
        [
            (EventKind.TrackZoneEntered, 2, 13), (EventKind.TrackLineCrossed, 2, 13),
            (EventKind.TrackZoneEntered, 1, 25), (EventKind.TrackLineCrossed, 1, 25),
            (EventKind.TrackZoneLeft, 1, 40), (EventKind.TrackZoneLeft, 2, 40),
        ];
        foreach (var basis in Enum.GetValues<ZoneBasis>())
            Assert.Equal(expected, Events(rig, basis).Select(e => (e.Kind, e.Track, e.Frame?.FrameId)));
        Assert.Equal(
            Events(rig, ZoneBasis.Provisional).Select(e => e.Id),
            Events(rig, ZoneBasis.Final).Select(e => e.Zone!.Confirms));
        Assert.All(Events(rig, ZoneBasis.Final).Where(e => e.Zone!.IsLine), e =>
            Assert.Equal(LineDirection.LeftToRight, e.Zone!.Direction));
        Assert.Equal(12, rig.Camera.Measured.Of("dvis.zone.events").Sum());
        Assert.Equal(
            [.. Counts(14, 0), .. Counts(12, 1), .. Counts(14, 2)],
            rig.Published.Provisionals.Select(p => Assert.Single(p.Zones)));
    }

    [Fact]
    public async Task RunAsync_Stopped_AnswersWhatIsPending()
    {
        await using var rig = new PipelineRig(new FakeDvis().Models());
        rig.Camera.Zones = new([s_right with { Points = [new(0, 0), new(1, 0), new(1, 1), new(0, 1)] }]);
        using var stop = new CancellationTokenSource();
        var running = rig.RunAsync(Source(rig, null), stop: stop.Token);
        await Eventually.TrueAsync(() => Events(rig, ZoneBasis.Provisional).Length > 0);

        await stop.CancelAsync();
        await running;

        Assert.Equal(
            Events(rig, ZoneBasis.Provisional).Select(e => e.Id).Order(),
            Events(rig, ZoneBasis.Final).Select(e => e.Zone!.Confirms ?? e.Zone.Retracts).Order());
    }

    [Fact]
    public async Task RunAsync_ZoneBeyondTheFrame_IsReportedOnceAndWorksWhereItOverlaps()
    {
        var log = new LogProbe<StreamPipeline>();
        await using var rig = new PipelineRig(new FakeDvis().Models());
        rig.Camera.Log = log;
        rig.Camera.Zones = new(
            [s_right with { Points = [new(32, 0), new(900, 0), new(900, 90), new(32, 90)], InPixels = true }]);

        await rig.RunAsync(Source(rig, 40));

        Assert.Equal(4, Events(rig, ZoneBasis.Final).Length);
        var (level, _, text) = Assert.Single(log.Entries, e => e.Id == 2111);
        Assert.Equal(
            (LogLevel.Warning, "Camera cam: zones or lines have points outside of the frame of 64 x 64 pixels: right."),
            (level, text));
    }

    private static IEnumerable<ZoneCount> Counts(int frames, int tracks) =>
        Enumerable.Repeat(new ZoneCount("right", tracks), frames);

    private static LifecycleEvent[] Events(PipelineRig rig, ZoneBasis basis) =>
        [.. rig.Published.Events.Where(e => e.Zone?.Basis == basis)];

    private static PaintedSource Source(PipelineRig rig, int? frames) =>
        new(rig.Frames, rig.Camera.Time, frames, (_, item) => item < 2)
        {
            Before = async (_, _) => await Task.Yield(),
        };
}
