using Dvis.Streaming.Evaluation.Metrics;
using static Dvis.Streaming.Pipeline.Tests.Evaluation.SomeVideo;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>Average precision where the answer is known without a computer.</summary>
public sealed class VideoPrecisionTests
{
    private readonly VideoPrecision _precision = new(Categories);

    [Fact]
    public void Report_NothingAdded_IsUndefined()
    {
        var report = _precision.Report();
        Assert.Equal((-1, -1, -1), (report.Ap, report.Ar100, report.PerCategory[0].Ap));
    }

    [Fact]
    public void Report_OnlyFalseDetections_OfACategoryWithoutObjects_IsUndefined()
    {
        _precision.Add(Info(), [], [Prediction(1, 0.9, Columns(0, 3), null)]);
        Assert.Equal(-1, _precision.Report().Ap);
    }

    [Fact]
    public void Report_ObjectThatIsNeverFound_IsZero_AndTheOtherCategoryDoesNotCount()
    {
        _precision.Add(Info(), [Truth(1, 2, Columns(0, 3), null)], []);
        var report = _precision.Report();
        Assert.Equal((0, 0, -1), (report.Ap, report.Ar100, report.PerCategory[0].Ap));
    }

    // Intersections 30 + 0, unions 40 + 30 frame by frame: 3 / 7.
    [Fact]
    public void Overlap_OfAVideo_IsTheSumOfIntersectionsOverTheSumOfUnions()
    {
        var (truth, found) =
            (new VideoOverlap([Columns(0, 4), null]), new VideoOverlap([Columns(0, 3), Columns(5, 8)]));
        Assert.Equal(3 / 7.0, truth.IoU(found), 12);
        Assert.Equal(3 / 7.0, found.IoU(truth), 12);
    }

    // IoU 8/10: right at the thresholds 0.5 … 0.8, seven of ten.
    [Fact]
    public void Report_OneObject_CountsTheThresholdsItPasses()
    {
        _precision.Add(Info(), [Truth(1, 1, Columns(0, 10), null)], [Prediction(1, 0.3, Columns(0, 8), null)]);
        var report = _precision.Report();
        Assert.Equal(0.7, report.Ap, 12);
        Assert.Equal(1, report.Ap50, 12);
        Assert.Equal(1, report.Ap75, 12);
        Assert.Equal((report.Ap, -1.0, -1.0), (report.ApSmall, report.ApMedium, report.ApLarge));
    }

    // A wrong one before the right one: precision 1/2 at every recall. After it: 1.
    [Theory]
    [InlineData(0.9, 0.5)]
    [InlineData(0.1, 1.0)]
    public void Report_FalseDetection_CostsOnlyWhenItIsSurer(double score, double expected)
    {
        _precision.Add(Info(), [Truth(1, 1, Columns(0, 10), null)],
            [Prediction(1, score, null, Columns(0, 4)), Prediction(1, 0.5, Columns(0, 10), null)]);
        Assert.Equal(expected, _precision.Report().Ap, 12);
    }

    [Theory]
    [InlineData(100, 0, 0)]
    [InlineData(99, 0.01, 1)]
    public void Report_DetectionsBeyondAHundred_DoNotCount(int wrongs, double precision, double recall)
    {
        var wrong = Enumerable.Range(0, wrongs).Select(i => Prediction(1, 1 - i * 0.001, null, Columns(0, 4)));
        _precision.Add(Info(), [Truth(1, 1, Columns(0, 10), null)],
            [.. wrong, Prediction(1, 0.5, Columns(0, 10), null)]);
        Assert.Equal(precision, _precision.Report().Ap, 12);
        Assert.Equal(recall, _precision.Report().Ar100, 12);
    }

    /// <summary>The evaluator of YouTube-VIS takes the plain IoU of crowds, too: a part of one is no match, the whole
    /// is one and may be found twice; what matches it is neither right nor wrong.</summary>
    [Theory]
    [InlineData(4, 1 / 3.0)]
    [InlineData(12, 1)]
    public void Report_Crowd_ExcusesWhatIsAsLargeAsIt(int columns, double expected)
    {
        _precision.Add(Info(), [Truth(1, 1, null, Columns(0, 2)), new(2, 1, true, [Columns(0, 12), null])],
        [
            Prediction(1, 0.9, Columns(0, columns), null), Prediction(1, 0.8, Columns(0, columns), null),
            Prediction(1, 0.7, null, Columns(0, 2)),
        ]);
        Assert.Equal(expected, _precision.Report().Ap50, 12);
    }

    [Fact]
    public void Report_ClassAgnostic_ADetectionIsRightWhateverItsClass()
    {
        VideoPrecision any = new(Categories, classAgnostic: true);
        foreach (var precision in (VideoPrecision[])[_precision, any])
            precision.Add(Info(),
                [Truth(1, 1, Columns(0, 4), null), Truth(2, 2, Columns(6, 12), null)],
                [Prediction(2, 0.9, Columns(0, 4), null), Prediction(2, 0.8, Columns(6, 12), null)]);

        Assert.Equal((0 + 0.5) / 2, _precision.Report().Ap, 12);
        var report = any.Report();
        Assert.Equal(1, report.Ap, 12);
        Assert.Equal((0.5, 1), (report.Ar1, report.Ar10));
        Assert.Equal("any", Assert.Single(report.PerCategory).Category.Name);
    }

    [Fact]
    public void Report_ClassAgnostic_AHundredDetectionsCountOfAllClassesTogether()
    {
        VideoPrecision any = new(Categories, classAgnostic: true);
        var wrong = Enumerable.Range(0, 100).Select(i => Prediction(1, 1 - i * 0.001, null, Columns(0, 4)));
        any.Add(Info(), [Truth(1, 2, Columns(0, 10), null)], [.. wrong, Prediction(2, 0.5, Columns(0, 10), null)]);
        Assert.Equal(0, any.Report().Ap);
        // Between equal scores the lower category comes first, as in the evaluator's list.
        any = new(Categories, classAgnostic: true);
        any.Add(Info(), [Truth(1, 1, Columns(0, 10), null)],
            [Prediction(2, 0.5, null, Columns(0, 4)), Prediction(1, 0.5, Columns(0, 10), null)]);
        Assert.Equal(1, any.Report().Ap, 12);
    }

    [Fact]
    public void Add_WhatDoesNotFit_IsRefusedByName()
    {
        Refused("video 1: prediction 0: category_id: found 3, the data set has no such category.", () =>
            _precision.Add(Info(), [], [Prediction(3, 1, null, null)]));
        Refused("video 1: prediction 0: segmentations: found 1 masks, the video has 2 frames.", () =>
            _precision.Add(Info(), [], [Prediction(1, 1, [null])]));
        Refused("video 1: prediction 0: score: found NaN, expected a number.", () =>
            _precision.Add(Info(), [], [Prediction(1, double.NaN, null, null)]));
        Refused("video 1: object 7: segmentations[1]: found a mask of 10x12, the video is 12x10.", () =>
            _precision.Add(Info(), [Truth(7, 1, null, new(10, 12, [120]))], []));
        _precision.Add(Info(), [], []);
        Refused("video 1 was scored before.", () => _precision.Add(Info(), [], []));

        static void Refused(string says, Action add) =>
            Assert.Equal(says, Assert.Throws<EvaluationException>(add).Message);
    }
}
