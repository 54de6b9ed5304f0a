using Dvis.Streaming.Evaluation.Running;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

public sealed class VideoTrackletsTests
{
    private readonly VideoTracklets _sut = new(2);

    [Fact]
    public void Add_Scores_CountDetectionsOnly()
    {
        See(0, 0.25f);
        See(1, 0.75f);
        See(2, 0.5f, detected: false);

        var entry = Assert.Single(_sut.Entries);
        Assert.Equal([1, 1], entry.Sum);
        Assert.Equal((2, 0, 2), (entry.Detections, entry.FirstFrame, entry.LastFrame));
    }

    /// <summary>Four detections: three further ones after the first.</summary>
    [Theory]
    [InlineData(3, 0)]
    [InlineData(4, 1)]
    public void EndFrame_TrackletThatMissedTwoFrames_StaysWithThreeFurtherDetections(int detections, int left)
    {
        for (var frame = 0; frame < 14; frame++)
        {
            if (frame >= 7) See(frame, 0.5f, detected: frame < 7 + detections);
            _sut.EndFrame(frame);
        }

        Assert.Equal(left, _sut.Entries.Count);
    }

    [Fact]
    public void EndFrame_OneMissedFrame_RemovesNothing()
    {
        for (var frame = 0; frame < 10; frame++) _sut.EndFrame(frame);
        See(10, 0.5f);
        _sut.EndFrame(10);
        _sut.EndFrame(11);
        Assert.Single(_sut.Entries);

        _sut.EndFrame(12);

        Assert.Empty(_sut.Entries);
    }

    [Fact]
    public void EndFrame_BeforeFrameNine_RemovesNothing()
    {
        See(0, 0.5f);
        for (var frame = 0; frame < 9; frame++) _sut.EndFrame(frame);
        Assert.Single(_sut.Entries);

        _sut.EndFrame(9);

        Assert.Empty(_sut.Entries);
    }

    [Fact]
    public void Add_RemovedTrackletThatIsDetectedAgain_BeginsAnew()
    {
        See(0, 0.25f);
        for (var frame = 0; frame < 10; frame++) _sut.EndFrame(frame);
        See(10, 0.5f, detected: false);
        Assert.Empty(_sut.Entries);

        See(11, 0.75f);

        var entry = Assert.Single(_sut.Entries);
        Assert.Equal((11, 1, 0.75f), (entry.FirstFrame, entry.Detections, entry.Sum[0]));
    }

    private void See(int frame, float probability, bool detected = true)
        => _sut.Add(frame, 7, 3, detected, [probability, 1 - probability]);
}
