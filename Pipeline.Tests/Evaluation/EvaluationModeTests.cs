using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

public sealed class EvaluationModeTests
{
    private static readonly ClipLengths s_configured = new(20, 5, 5);
    private static readonly ModelManifest s_genVis = new FakeGenVis(4).Manifest with { MaxClip = 5 };

    [Theory]
    [InlineData("minvis", "minvis")]
    [InlineData("online", "online")]
    [InlineData("offline", "offline")]
    [InlineData("genvis", "genvis")]
    [InlineData("genvis:clip=3", "genvis:clip=3")]
    [InlineData("semi-online", "semi-online:window=20,stride=5,lookahead=5")]
    [InlineData("semi-online:window=40", "semi-online:window=40,stride=40,lookahead=0")]
    [InlineData("semi-online:window=1", "semi-online:window=1,stride=1,lookahead=0")]
    [InlineData("semi-online:window=20,lookahead=8", "semi-online:window=20,stride=12,lookahead=8")]
    [InlineData("semi-online:stride=1,window=20,lookahead=10", "semi-online:window=20,stride=1,lookahead=10")]
    public void Parse_AMode_IsThatMode(string text, string meant) =>
    Assert.Equal(meant, EvaluationMode.Parse(text, s_configured).ToString());

    [Theory]
    [InlineData("onlin", "there is no mode 'onlin'")]
    [InlineData("", "there is no mode ''")]
    [InlineData("online:window=3", "takes no settings")]
    [InlineData("genvis:clip=0", "'clip=0' in the mode")]
    [InlineData("genvis:window=3", "'window=3' in the mode")]
    [InlineData("semi-online:", "'' in the mode")]
    [InlineData("semi-online:window=x", "'window=x' in the mode")]
    [InlineData("semi-online:window=-3", "'window=-3' in the mode")]
    [InlineData("semi-online:windows=3", "'windows=3' in the mode")]
    [InlineData("semi-online:window=3,window=4", "'window=4' in the mode")]
    [InlineData("semi-online:stride=3", "needs a window")]
    [InlineData("semi-online:window=0", "needs a window")]
    [InlineData("semi-online:window=3,stride=0", "needs a stride")]
    [InlineData("semi-online:window=5,stride=4,lookahead=2", "4 + 2 frames")]
    [InlineData("semi-online:window=5,lookahead=5", "1 + 5 frames")]
    public void Parse_NoMode_SaysWhatIsWrong(string text, string said)
        => Assert.Contains(said,
            Assert.Throws<FormatException>(() => EvaluationMode.Parse(text, s_configured)).Message);

    [Theory]
    [InlineData("genvis", "genvis:clip=4")]
    [InlineData("online", "genvis:clip=4")]
    [InlineData("genvis:clip=5", "genvis:clip=5")]
    public void For_GenVis_IsItsOnlyWay(string text, string meant)
        => Assert.Equal(meant, EvaluationMode.Parse(text, s_configured).For(s_genVis).ToString());

    [Theory]
    [InlineData("online", "online", null)]
    [InlineData("semi-online", "semi-online:window=20,stride=5,lookahead=5", 20)]
    [InlineData("offline", "offline", 4)]
    public void For_RefineVis_HasTheModesOfDvisWithItsOwnClips(string text, string meant, int? window)
    {
        var mode = EvaluationMode.Parse(text, s_configured).For(FakeRefineVis.Manifest);

        Assert.Equal((meant, window), (mode.ToString(), mode.Clip?.Window));
    }

    [Theory]
    [InlineData("minvis", "the mode minvis is not one of fake, whose method is refinevis")]
    [InlineData("genvis", "the mode genvis is not one of fake, whose method is refinevis")]
    [InlineData("semi-online:window=65", "has longer clips than fake takes, at most 64")]
    public void For_RefineVisWithoutThatMode_IsRefused(string text, string said)
        => Assert.Contains(said, Assert.Throws<EvaluationException>(() =>
            EvaluationMode.Parse(text, s_configured).For(FakeRefineVis.Manifest)).Message);

    [Theory]
    [InlineData("genvis:clip=6", true, "has longer clips than fake takes, at most 5")]
    [InlineData("offline", true, "the mode offline is not one of fake, whose method is genvis")]
    [InlineData("minvis", true, "the mode minvis is not one of fake")]
    [InlineData("genvis", false, "the mode genvis is not one of fake, whose method is dvis")]
    public void For_AModelWithoutThatMode_IsRefused(string text, bool ofGenVis, string said)
        => Assert.Contains(said, Assert.Throws<EvaluationException>(() =>
            EvaluationMode.Parse(text, s_configured).For(ofGenVis ? s_genVis : FakeDvis.Manifest)).Message);
}
