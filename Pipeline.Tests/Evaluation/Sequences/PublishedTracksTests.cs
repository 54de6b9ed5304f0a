using Dvis.Streaming.Evaluation.Sequences;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation.Sequences;

public sealed class PublishedTracksTests
{
    private static readonly RunLengthMask s_mask = SomeVideo.Columns(1, 4);

    [Fact]
    public async Task Provisional_HasEachResultInItsFrame()
    {
        var published = new PublishedTracks();
        await published.PublishAsync(Provisional(2, Seen(4, s_mask), Seen(5, null)), default);

        var frames = published.Provisional(3);

        Assert.Equal([0, 0, 1], frames.Select(f => f.Count));
        Assert.Equal(new PublishedTrack(new TrackId("E", 4), 1, s_mask), frames[2][0]);
    }

    [Fact]
    public async Task Final_HasVisibleTracksOnly()
    {
        var published = new PublishedTracks();
        var track = new FinalTrack(7, 1, 0.9f, null, [Final(0, true), Final(1, false), Final(2, true)]);
        await published.PublishAsync(Final(FinalReason.None, track), default);

        Assert.Equal([1, 0, 1], published.Final(3).Select(f => f.Count));
        Assert.Equal(new TrackId("E", 7), published.Final(3)[0][0].Id);
        Assert.All(published.Provisional(3), Assert.Empty);
        Assert.Equal(0, published.FailedWindows);
    }

    [Fact]
    public async Task FailedWindows_CountsThoseOfAFailedRefiner()
    {
        var published = new PublishedTracks();
        FinalReason[] reasons = [FinalReason.Error, FinalReason.Disabled, FinalReason.End, FinalReason.Error];
        foreach (var reason in reasons)
            await published.PublishAsync(Final(reason), default);

        Assert.Equal(2, published.FailedWindows);
    }

    private static TrackObservation Seen(long number, RunLengthMask? mask)
        => new(number, 1, 0.9f, TrackState.Active, 3, default, 0, 0, 0, false, mask, null);

    private static FinalObservation Final(long frame, bool visible)
        => new(frame, 0.9f, visible, default, 0, visible ? s_mask : null, null);

    private static ProvisionalResult Provisional(long frame, params TrackObservation[] tracks)
        => new(Some.FrameInfo(12, 10, frame), "E", [.. tracks], -1, 0, new StageLatency());

    private static FinalResult Final(FinalReason reason, params FinalTrack[] tracks) => new(
        "cam", "E", 0, 2, [Some.FrameInfo(12, 10, 2)], FinalKind.Refined, reason, [.. tracks], [], [],
        new StageLatency());
}
