using Dvis.Streaming.Evaluation.Metrics;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>VPQ and STQ where the answer is known without a computer,
/// and the quirks that the official evaluators have.</summary>
public sealed class PanopticQualityTests
{
    private static readonly Category[] s_categories = [new(0, "road", IsThing: false), new(1, "car"), new(2, "dog")];

    private readonly PanopticQuality _quality = new(s_categories);

    // Ten pixels a frame: a digit is the segment of a pixel.
    [Fact]
    public void OneFrame_MatchedMissedAndFalse_AreCounted()
    {
        // Road: 4 of 5 over 6 pixels. Car 2 is found as 7 (1 of 2: no match, 0.5 is not enough). Dog 3 is missed.
        Score(Frame("1111122330", (1, 0), (2, 1), (3, 2)), Frame("1111667000", (1, 0), (6, 0), (7, 1)));

        var window = Report().Windows[0];

        var road = window.PerCategory.Single(c => c.Category.Id == 0).Score;
        Assert.Equal((4 / 5.0) / 1.5, road.Pq, 12); // one hit; the false segment 6 lies on road and car, not on void
        Assert.Equal(4 / 5.0, road.Sq, 12);
        Assert.Equal(1 / 1.5, road.Rq, 12);
        Assert.Equal(0, window.Things.Pq);
        Assert.Equal(2, window.Things.Categories);
        Assert.Equal(road.Pq, window.Stuff.Pq, 12);
        Assert.Equal(road.Pq / 3, window.All.Pq, 12);
    }

    [Fact]
    public void FalseSegment_MostlyOnVoidOrOnACrowdOfItsClass_IsExcused()
    {
        Score(Frame("1111000022", (1, 0), (2, 1, true)), Frame("1111550066", (1, 0), (5, 2), (6, 1)));
        var window = Report().Windows[0];
        Assert.Equal(1, window.All.Pq, 12);
        Assert.Equal(1, window.All.Categories);
    }

    [Fact]
    public void FalseSegment_OnACrowdOfAnotherClass_IsFalse()
    {
        Score(Frame("1111000022", (1, 0), (2, 1, true)), Frame("1111000066", (1, 0), (6, 2)));
        Assert.Equal(0, Report().Windows[0].Things.Pq);
        Assert.Equal(1, Report().Windows[0].Things.Categories);
    }

    [Fact]
    public void MissedSegment_CountsHalf()
    {
        Score(Frame("1111122222", (1, 1), (2, 1)), Frame("6666600000", (6, 1)));
        Assert.Equal(1 / 1.5, Report().Windows[0].Things.Pq, 12);
    }

    [Fact]
    public void PixelsOverVoid_AreNoPartOfTheUnion()
    {
        Score(Frame("1100000000", (1, 1)), Frame("7777777777", (7, 1)));
        Assert.Equal(1, Report().Windows[0].Things.Sq, 12);
    }

    [Fact]
    public void IdSwitch_CostsLongWindowsOnly()
    {
        Score(Frame("1111122222", (1, 0), (2, 1)), Frame("1111177777", (1, 0), (7, 1)),
            Frame("1111122222", (1, 0), (2, 1)), Frame("1111188888", (1, 0), (8, 1)));
        var report = Report();
        Assert.Equal(1, report.Windows[0].Things.Pq);
        Assert.Equal(0, report.Windows[1].Things.Pq);
        Assert.Equal(1, report.Windows[1].Stuff.Pq);
        // The video has no tubes of four frames.
        Assert.Equal(double.NaN, report.Windows[2].All.Pq);
        Assert.Equal(double.NaN, report.Vpq);
        // One car of 10 pixels in two tubes of 5: 1/10 (5 · 5/10 + 5 · 5/10).
        Assert.Equal(0.5, report.Stq.Aq, 12);
        Assert.Equal(1, report.Stq.IoU, 12);
        Assert.Equal(Math.Sqrt(0.5), report.Stq.Stq, 12);
    }

    [Fact]
    public void AreaOfTheTruth_IsTheStatedOne()
    {
        Score(Frame("1111100000") with { Segments = [new(1, 1, Area: 6)] }, Frame("7777700000", (7, 1)));
        Assert.Equal(5 / 6.0, Report().Windows[0].Things.Sq, 12);
    }

    [Fact]
    public void FirstThingThatIsListed_IsACrowd_InStq()
    {
        Score(Frame("1111122222", (1, 1), (2, 0)), Frame("1111122222", (1, 1), (2, 0)));
        Assert.Equal(0, Report().Stq.Aq);
        Assert.Equal(1, Report().Stq.IoU);
    }

    [Fact]
    public void PredictedVoid_IsOneMoreClassWithoutOverlap_InStq()
    {
        Score(Frame("1111122222", (1, 0), (2, 1)), Frame("1111122220", (1, 0), (2, 1)));
        Assert.Equal((1 + 4 / 5.0 + 0) / 3, Report().Stq.IoU, 12);
    }

    [Fact]
    public void Add_WhatDoesNotFit_IsRefusedByName()
    {
        var truth = Frame("1111122222", (1, 0), (2, 1));
        _quality.BeginVideo("v");
        Refused("v, frame 0: the prediction is 4x1 pixels, the truth 10x1.", Frame("1111", (1, 0)));
        Refused("v, frame 1: the predicted map shows the segment 5, its list of segments does not have it.",
            Frame("5555511111", (1, 0)));
        Refused("v, frame 2: the predicted segment 6 is listed, the map does not show it.",
            Frame("1111111111", (1, 0), (6, 1)));
        Refused("v, frame 3: the predicted segment 1 has the category_id 9, the truth has no such category.",
            Frame("1111111111", (1, 9)));

        void Refused(string says, PanopticFrame prediction) =>
            Assert.Equal(says, Assert.Throws<EvaluationException>(() => _quality.Add(truth, prediction)).Message);
    }

    /// <summary>Truth and prediction by turns, one video.</summary>
    private void Score(params PanopticFrame[] frames)
    {
        _quality.BeginVideo("v");
        foreach (var pair in frames.Chunk(2)) _quality.Add(pair[0], pair[1]);
    }

    private PanopticReport Report() => _quality.Report();

    private static PanopticFrame Frame(string ids, params (int Id, int Category)[] segments)
        => new(ids.Length, 1, [.. ids.Select(c => c - '0')],
            [.. segments.Select(s => new PanopticSegment(s.Id, s.Category))]);

    private static PanopticFrame Frame(string ids, (int Id, int Category) first,
        (int Id, int Category, bool Crowd) crowd)
        => new(ids.Length, 1, [.. ids.Select(c => c - '0')],
            [new(first.Id, first.Category), new(crowd.Id, crowd.Category, crowd.Crowd)]);
}
