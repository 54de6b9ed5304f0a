using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

public sealed class SemanticQualityTests
{
    [Fact]
    public void MeanIoU_IsOverTheClassesOfTheTruth()
    {
        var quality = new SemanticQuality(4, firstLabel: 1);
        quality.BeginVideo();
        // Classes 0 and 1; the last two pixels are void.
        // Class 3 is said once and is no class of the truth; 255 is said once.
        quality.Add([1, 1, 1, 2, 2, 2, 0, 255], [0, 0, 1, 1, 3, 255, 0, 0]);
        var report = quality.Report();
        Assert.Equal(2 / 3.0, report.PerClass[0]!.Value, 12);
        Assert.Equal(1 / 4.0, report.PerClass[1]!.Value, 12);
        Assert.Null(report.PerClass[3]);
        Assert.Equal((2 / 3.0 + 1 / 4.0) / 2, report.MeanIoU, 12);
    }

    [Fact]
    public void MeanIoU_NothingAdded_IsUndefined() =>
    Assert.Equal(double.NaN, new SemanticQuality(3, 0).Report().MeanIoU);

    // The definition, written the plainest way: every window but a video's last.
    [Theory]
    [InlineData(5)]
    [InlineData(9)]
    [InlineData(17)]
    [InlineData(40)]
    public void Consistency_IsThatOfTheDefinition(int frames)
    {
        var random = new Random(frames);
        var quality = new SemanticQuality(3, 0);
        List<double> eight = [], sixteen = [];
        for (var video = 0; video < 3; video++)
        {
            byte[][] truth = Maps(random, frames + video), prediction = Maps(random, frames + video);
            quality.BeginVideo();
            for (var t = 0; t < truth.Length; t++) quality.Add(truth[t], prediction[t]);
            eight.AddRange(Shares(truth, prediction, 8));
            sixteen.AddRange(Shares(truth, prediction, 16));
        }

        Assert.Equal(eight.DefaultIfEmpty(double.NaN).Average(), quality.Report().Vc8, 12);
        Assert.Equal(sixteen.DefaultIfEmpty(double.NaN).Average(), quality.Report().Vc16, 12);
    }

    [Fact]
    public void Folders_WrittenThenScored_ArePerfect()
    {
        using var temp = new TempFolder();
        var (writer, truth) = (new SemanticWriter(temp.Path("out")), new SemanticWriter(temp.Path("gt")));
        var random = new Random(1);
        for (var t = 0; t < 10; t++)
        {
            byte[] classes = [.. Enumerable.Range(0, 30).Select(_ => (byte)random.Next(4))];
            writer.Add("v", $"v/{t:D3}.jpg", 6, 5, classes);
            truth.Add("v", $"{t:D3}.png", 6, 5, [.. classes.Select(c => (byte)(c + 1))]);
        }

        var (wanted, found) = (new SemanticFolder(temp.Path("gt")), new SemanticFolder(temp.Path("out")));
        var quality = new SemanticQuality(4, 1);
        quality.BeginVideo();
        Assert.Equal(10, wanted.Frames("v").Count);
        foreach (var frame in wanted.Frames("v")) quality.Add(wanted.Map("v", frame), found.Map("v", frame), frame);
        Assert.Equal(1, quality.Report().MeanIoU);
    }

    [Theory]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("")]
    public void Writer_VideoThatIsNoFolderName_IsRefused(string video)
        => Assert.Throws<ArgumentException>(() => new SemanticWriter("/nowhere").Add(video, "x.jpg", 1, 1, [0]));

    [Fact]
    public void Add_OtherSizes_AreRefusedByName()
    {
        var quality = new SemanticQuality(2, 0);
        quality.BeginVideo();
        quality.Add(Map(2, 2), Map(2, 2), "a");
        Assert.Equal("b: the prediction is 1x4 pixels, the truth 2x2.",
            Assert.Throws<EvaluationException>(() => quality.Add(Map(2, 2), Map(1, 4), "b")).Message);
        Assert.Equal("c: the map is 2x3 pixels, the one before was of another size.",
            Assert.Throws<EvaluationException>(() => quality.Add(Map(2, 3), Map(2, 3), "c")).Message);

        static PngImage Map(int width, int height) => new(width, height, 1, new byte[width * height]);
    }

    private static byte[][] Maps(Random random, int frames)
    {
        var map = new byte[25];
        return [.. Enumerable.Range(0, frames).Select(_ =>
        {
            if (random.Next(3) == 0) map[random.Next(25)] = (byte)random.Next(3);
            return map.ToArray();
        })];
    }

    private static IEnumerable<double> Shares(byte[][] truth, byte[][] prediction, int window)
    {
        for (var start = 0; start < truth.Length - window; start++)
        {
            var held = Enumerable.Range(0, 25)
                .Where(p => Enumerable.Range(start, window).All(t => truth[t][p] == truth[start][p])).ToArray();
            if (held.Length > 0)
                yield return held.Count(p => Enumerable.Range(start, window).All(t =>
                    prediction[t][p] == prediction[start][p])) / (double)held.Length;
        }
    }
}
