using Dvis.Streaming.Evaluation.Metrics;
using static Dvis.Streaming.Pipeline.Tests.Evaluation.SomeVideo;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

public sealed class PairedBootstrapTests
{
    [Fact]
    public void Compare_TheSameResults_AreNotApart()
        => Assert.Equal(
            (new Lead(0, 0, 0), new Lead(0, 0, 0)),
            PairedBootstrap.Compare(Score(40, v => v % 2), Score(40, v => v % 2)));

    // One finds every object, the other those of every second of 40 videos: AP 1 against about 0.5, and no draw has
    // less than a few of the missed ones.
    [Fact]
    public void Compare_OneFindsHalf_TheIntervalHoldsTheDifference()
    {
        var (ap, ap50) = PairedBootstrap.Compare(Score(40, _ => 1), Score(40, v => v % 2));
        Assert.Equal(ap.Mean, ap50.Mean, 12);
        Assert.Equal(1 - 51 / 101.0, ap.Mean, 12);
        Assert.InRange(ap.From, 0.25, 0.45);
        Assert.InRange(ap.To, 0.55, 0.75);
    }

    // What is as often better as worse lies around nothing.
    [Fact]
    public void Compare_EachFindsTheOtherHalf_TheIntervalHoldsZero()
    {
        var (ap, _) = PairedBootstrap.Compare(Score(40, v => v % 2), Score(40, v => 1 - v % 2));
        Assert.Equal(0, ap.Mean, 12);
        Assert.InRange(ap.From, -0.5, -0.05);
        Assert.InRange(ap.To, 0.05, 0.5);
    }

    [Fact]
    public void Compare_OtherVideos_IsRefused()
        => Assert.Throws<ArgumentException>(() => PairedBootstrap.Compare(Score(3, _ => 1), Score(4, _ => 1)));

    [Fact]
    public void Weighted_EachVideoOnce_IsTheReport()
    {
        var precision = Score(7, v => v % 3 == 0 ? 1 : 0);
        var report = precision.Report();
        var once = Enumerable.Range(0, 7).ToDictionary(v => (long)v, _ => 1);
        Assert.Equal((report.Ap, report.Ap50), precision.Weighted(once));
    }

    /// <summary>Videos of one object each, found entirely where <paramref name="found"/> is 1.</summary>
    private static VideoPrecision Score(int videos, Func<int, int> found)
    {
        var precision = new VideoPrecision(Categories);
        for (var v = 0; v < videos; v++)
            precision.Add(Info(v, 1), [Truth(1, 1, Columns(0, 4))],
                found(v) == 1 ? [Prediction(1, 0.9, Columns(0, 4))] : []);
        return precision;
    }
}
