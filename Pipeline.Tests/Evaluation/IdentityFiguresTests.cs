using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Results;
using static Dvis.Streaming.Pipeline.Tests.Evaluation.SomeVideo;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>Identity figures where the answer can be counted.</summary>
public sealed class IdentityFiguresTests
{
    private static readonly RunLengthMask s_object = Columns(0, 4);

    [Fact]
    public void Report_NothingAdded_AsksForNothing()
        => Assert.Equal(new IdentityReport(-1, -1, -1, 0, 0), new IdentityFigures().Report());

    // Found in frames 0, 1, 3, 4 by a, a, b, b; 2 is missed: the pairs are 0-1 and 3-4.
    [Fact]
    public void Report_AnotherPredictionAfterAMissedFrame_IsASwitchAndNoBrokenLink()
        => Assert.Equal(
            new IdentityReport(1, -1, 0.2, 0, 1),
            Of(Visible(5), Seen(0.9, 5, 0, 1), Seen(0.8, 5, 3, 4)));

    [Fact]
    public void Report_AnotherPredictionInTheNextFrame_BreaksTheLink()
        => Assert.Equal(
            new IdentityReport(0.5, -1, 0, 0, 1),
            Of(Visible(3), Seen(0.9, 3, 0, 1), Seen(0.8, 3, 2)));

    // Hidden in frames 1 and 3, and back in the same, then in another prediction.
    [Fact]
    public void Report_ObjectThatReturns_IsInTheSamePredictionOrNot()
        => Assert.Equal(
            new IdentityReport(-1, 0.5, 0, 2, 1),
            Of([s_object, null, s_object, null, s_object], Seen(0.9, 5, 0, 2), Seen(0.8, 5, 4)));

    // Missed in the first frame in which it is back: found one frame later, the return counts there.
    [Fact]
    public void Report_ReturnThatIsFoundLate_CountsOnce()
        => Assert.Equal(
            new IdentityReport(-1, 1, 1 / 3.0, 1, 0),
            Of([s_object, null, s_object, s_object], Seen(0.9, 4, 0, 3)));

    [Fact]
    public void Report_TwoPredictionsShowTheObject_TheSurerOneHolds()
        => Assert.Equal(
            new IdentityReport(1, -1, 0, 0, 0),
            Of(Visible(2), Seen(0.3, 2, 0), Seen(0.9, 2, 0, 1)));

    // 4 of 8 columns is an IoU of 0.5, 4 of 9 is less.
    [Theory]
    [InlineData(8, 0)]
    [InlineData(9, 1)]
    public void Report_Overlap_HalfIsEnough(int columns, double missed)
        => Assert.Equal(missed, Of([s_object], Prediction(1, 0.9, Columns(0, columns))).Missed);

    [Fact]
    public void Report_Crowd_DoesNotCount()
    {
        var identity = new IdentityFigures();
        identity.Add([Truth(1, 1, s_object) with { IsCrowd = true }], []);
        Assert.Equal(-1, identity.Report().Missed);
    }

    private static RunLengthMask?[] Visible(int frames) => [.. Enumerable.Repeat(s_object, frames)];

    /// <summary>A prediction that shows the object in these frames only.</summary>
    private static PredictedInstance Seen(double score, int length, params int[] frames)
        => Prediction(1, score, [.. Enumerable.Range(0, length).Select(t => frames.Contains(t) ? s_object : null)]);

    private static IdentityReport Of(RunLengthMask?[] truth, params PredictedInstance[] predictions)
    {
        var identity = new IdentityFigures();
        identity.Add([Truth(1, 2, truth)], predictions);
        return identity.Report();
    }
}
