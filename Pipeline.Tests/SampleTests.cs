using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests;

/// <summary>What the shipped model makes of the shipped sample: it finds the objects, keeps their ids through
/// occlusions, and its final word is the better one.</summary>
[Trait("Category", "Model")]
public sealed class SampleTests : IClassFixture<SampleRun>
{
    private const int LongestHidden = 50; // frames: the lost timeout of two seconds at 25 a second
    private readonly ITestOutputHelper _output;
    private readonly SampleRun _run;
    private readonly SampleEvaluation _provisional, _final;

    public SampleTests(SampleRun run, ITestOutputHelper output)
    {
        if (run.Missing is { } why) Assert.Skip(why);
        (_run, _output) = (run, output);
        _provisional = SampleEvaluation.OfProvisional(Repo.Path(SampleRun.Truth), run.Provisionals);
        _final = SampleEvaluation.OfFinal(Repo.Path(SampleRun.Truth), run.Finals);
    }

    [Fact]
    public void Evaluation_OfTheTruthItself_IsPerfect()
    {
        var perfect = SampleEvaluation.OfProvisional(Repo.Path(SampleRun.Truth),
            SampleEvaluation.Perfect(Repo.Path(SampleRun.Truth), (number, _) => number));

        Assert.Equal((1, 1, 1), (perfect.Recall, perfect.MeanIoU, perfect.ClassAccuracy));
        Assert.All(perfect.Occlusions(10, 400), o => Assert.True(o.Holds));
    }

    [Fact]
    public void Evaluation_OfATrackerThatForgets_SeesIt()
    {
        var forgets = SampleEvaluation.OfProvisional(
            Repo.Path(SampleRun.Truth),
            SampleEvaluation.Perfect(Repo.Path(SampleRun.Truth), (number, t) => t < 200 ? number : number + 100));

        var occlusion = Assert.Single(forgets.Occlusions(10, LongestHidden), o => !o.Holds);
        Assert.Equal((178, 220), (occlusion.From, occlusion.To));
    }

    [Fact]
    public void Sample_EveryFrame_HasAProvisionalAndARefinedResult()
    {
        Assert.Equal(_provisional.Length, _run.Provisionals.Count);
        Assert.Equal(_run.Provisionals.Select(p => p.Frame.FrameId), _run.Finals.SelectMany(f => f.Frames)
            .Select(f => f.FrameId));
        Assert.All(_run.Finals, f => Assert.Equal(FinalKind.Refined, f.Kind));
        Assert.Single(_run.Finals.Select(f => f.Epoch).Distinct());
    }

    [Fact]
    public void Sample_VisibleObjects_AreFound()
    {
        _output.WriteLine(_provisional.Report("provisional"));

        Assert.InRange(_provisional.Recall, 0.7, 1);
    }

    [Fact]
    public void Sample_HiddenObjects_ReturnUnderTheirIds()
    {
        SampleEvaluation.Occlusion[] occlusions = [.. _provisional.Occlusions(shortest: 10, LongestHidden)];
        foreach (var o in occlusions)
            _output.WriteLine($"{o.Name} hidden in frames {o.From}-{o.To}: track {o.Before} before, {o.After} after");

        Assert.NotEmpty(occlusions);
        Assert.All(occlusions, o =>
            Assert.True(o.Holds, $"{o.Name}: track {o.Before} before frame {o.From}, {o.After} after {o.To}"));
    }

    [Fact]
    public void Sample_FinalMasks_AreNoWorseThanProvisionalOnes()
    {
        _output.WriteLine(_provisional.Report("provisional"));
        _output.WriteLine(_final.Report("final"));

        Assert.InRange(_final.MeanIoU, _provisional.MeanIoU, 1);
    }
}
