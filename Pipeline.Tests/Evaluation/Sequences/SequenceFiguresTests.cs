using Dvis.Streaming.Evaluation.Sequences;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation.Sequences;

/// <summary>Figures of sequences of 12x10 pixels whose masks are whole columns, so that every IoU is known.</summary>
public sealed class SequenceFiguresTests
{
    private static readonly RunLengthMask s_none = SomeVideo.Columns(0, 0);

    [Fact]
    public void Of_PerfectTracks_IsAllOnes()
    {
        var figures = Figures([SomeVideo.Columns(2, 5), SomeVideo.Columns(3, 6)], [[Track(1, 2, 5)], [Track(1, 3, 6)]]);

        Assert.Equal(new SequenceFigures(1, 1, 1, 1, 1, 0), figures);
    }

    [Fact]
    public void Of_NoTracks_IsZeroAndHasNoClass()
    {
        var figures = Figures([SomeVideo.Columns(2, 5), SomeVideo.Columns(3, 6)], [[], []]);

        Assert.Equal(new SequenceFigures(0, 0, null, 0, 0, 0), figures);
    }

    [Fact]
    public void Of_OverlapOfHalf_Matches_AndOfLessCountsForJOnly()
    {
        // IoU 2/4 and 2/5.
        var figures = Figures([SomeVideo.Columns(0, 4), SomeVideo.Columns(0, 5)], [[Track(1, 2, 4)], [Track(1, 3, 5)]]);

        Assert.Equal(0.5, figures.Recall);
        Assert.Equal(0.45, figures.J!.Value, 12);
    }

    [Fact]
    public void Of_SeveralTracks_TakesTheBest()
    {
        PublishedTrack[] tracks = [Track(1, 0, 12), Track(2, 0, 3, classId: 9), Track(3, 0, 2)];
        var figures = Figures([SomeVideo.Columns(0, 4)], [tracks]);

        Assert.Equal((0.75, 0, 3.0), (figures.J, figures.ClassRight, figures.TracksPerFrame));
    }

    [Fact]
    public void Of_EmptyAnnotation_DoesNotCountButItsTracksDo()
    {
        PublishedTrack[][] tracks = [[Track(7, 0, 5)], [Track(1, 2, 5)], [Track(8, 0, 5)]];
        var figures = Figures([s_none, SomeVideo.Columns(2, 5), s_none], tracks);

        Assert.Equal(new SequenceFigures(1, 1, 1, 1, 1, 0), figures);
    }

    [Fact]
    public void Of_EmptyAnnotationsOnly_HasNoFigures()
    {
        var figures = Figures([s_none, s_none], [[Track(1, 0, 5)], []]);

        Assert.Equal(new SequenceFigures(null, null, null, 0.5, 0, 0), figures);
    }

    [Fact]
    public void Of_AnotherTrackTakesOver_IsASwitch_AlsoOverAGapAndBack()
    {
        RunLengthMask[] masks = [.. Enumerable.Repeat(SomeVideo.Columns(2, 5), 6)];
        long?[] numbers = [1, 1, null, 2, 2, 1];

        var figures = Figures(masks, [.. numbers.Select(n => n is { } number ? new[] { Track(number, 2, 5) } : [])]);

        Assert.Equal((2, 2), (figures.Ids, figures.Switches));
    }

    [Fact]
    public void Of_SameNumberInAnotherEpoch_IsAnotherTrack()
    {
        PublishedTrack[][] tracks = [[Track(1, 2, 5)], [Track(1, 2, 5, epoch: "F")]];
        var figures = Figures([SomeVideo.Columns(2, 5), SomeVideo.Columns(2, 5)], tracks);

        Assert.Equal((2, 1), (figures.Ids, figures.Switches));
    }

    [Fact]
    public void Of_ClassOfMatchedFramesOnly_IsJudged()
    {
        // Right, wrong, and right where nothing is matched.
        RunLengthMask[] masks = [SomeVideo.Columns(0, 4), SomeVideo.Columns(0, 4), SomeVideo.Columns(0, 4)];
        var figures = Figures(masks, [[Track(1, 0, 4)], [Track(1, 0, 4, classId: 9)], [Track(1, 6, 8)]]);

        Assert.Equal(0.5, figures.ClassRight);
        Assert.Null(SequenceFigures.Of([masks[0]], [[Track(1, 0, 4)]], null).ClassRight);
    }

    [Fact]
    public void MeanOf_SkipsSequencesWithoutTheFigure()
    {
        SequenceFigures[] sequences =
            [new(1, 0.9, 1, 2, 1, 0), new(0, 0.1, null, 0, 0, 0), new(null, null, null, 0, 0, 3)];

        Assert.Equal(new MeanFigures(0.5, 0.5, 1, 1), MeanFigures.Of(sequences));
        Assert.Equal(new MeanFigures(null, null, null, null), MeanFigures.Of([]));
    }

    private static SequenceFigures Figures(RunLengthMask[] masks, PublishedTrack[][] tracks)
        => SequenceFigures.Of(masks, tracks, classId => classId == 0);

    private static PublishedTrack Track(long number, int from, int to, int classId = 0, string epoch = "E")
        => new(new TrackId(epoch, number), classId, SomeVideo.Columns(from, to));
}
