using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>The official VIPSeg evaluators' answers: VPQ in every window, STQ, AQ and IoU, to 1e-6.</summary>
public sealed class PanopticCasesTests
{
    private const double Tolerance = 1e-6;

    [Theory]
    [InlineData("01_perfect")]
    [InlineData("02_noisy")]
    public void OfficialCase_GivesTheOfficialNumbers(string name)
    {
        var folder = Shared.Path($"data/cases/panoptic/{name}");
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json")));
        using var truth = VipsegTruth.Open(folder);
        var report = Score(truth, Path.Combine(folder, "pred"));

        var windows = expected.RootElement.GetProperty("vpq_windows").EnumerateObject().ToArray();
        Assert.Equal(windows.Select(w => w.Name), report.Windows.Select(w => $"{w.Window}"));
        foreach (var (window, json) in report.Windows.Zip(windows))
        {
            Assert.Equal(json.Value.GetProperty("All").GetDouble(), 100 * window.All.Pq, Tolerance);
            Assert.Equal(json.Value.GetProperty("Things").GetDouble(), 100 * window.Things.Pq, Tolerance);
            Assert.Equal(json.Value.GetProperty("Stuff").GetDouble(), 100 * window.Stuff.Pq, Tolerance);
        }

        string[] final =
            [.. expected.RootElement.GetProperty("vpq_final").EnumerateArray().Select(l => l.GetString()!)];
        string[] lines = [Line("all", report.Vpq), Line("thing", report.VpqThings), Line("stuff", report.VpqStuff)];
        Assert.Equal(final, lines);
        Assert.Equal(expected.RootElement.GetProperty("STQ").GetDouble(), report.Stq.Stq, Tolerance);
        Assert.Equal(expected.RootElement.GetProperty("AQ").GetDouble(), report.Stq.Aq, Tolerance);
        Assert.Equal(expected.RootElement.GetProperty("IoU").GetDouble(), report.Stq.IoU, Tolerance);
        var said = expected.RootElement.GetProperty("stq_stdout").GetString()!;
        Assert.Equal(Numbers(said, "STQ_per_seq"), report.Stq.PerVideo.Select(v => Math.Round(v.Stq, 8)));
        Assert.Equal(Numbers(said, "AQ_per_seq"), report.Stq.PerVideo.Select(v => Math.Round(v.Aq, 8)));
        Assert.Equal(Numbers(said, "Length_per_seq"), report.Stq.PerVideo.Select(v => (double)v.Frames));
    }

    [Theory]
    [InlineData("01_perfect")]
    [InlineData("02_noisy")]
    public void OfficialTables_HaveTheSameRows(string name)
    {
        var folder = Shared.Path($"data/cases/panoptic/{name}");
        using var truth = VipsegTruth.Open(folder);
        foreach (var window in Score(truth, Path.Combine(folder, "pred")).Windows)
        {
            var table = File.ReadAllLines(Path.Combine(folder, "official_out",
                string.Create(CultureInfo.InvariantCulture, $"vpq-{(window.Window - 1) * 5}.txt")));
            foreach (var (label, score) in new[]
                { ("All", window.All), ("Things", window.Things), ("Stuff", window.Stuff) })
                Assert.Contains(
                    string.Create(CultureInfo.InvariantCulture,
                        $"{label,-10}| {100 * score.Pq,5:F1}  {100 * score.Sq,5:F1}  {100 * score.Rq,5:F1} "
                        + $"{score.Categories,5}"), table);
        }
    }

    [Fact]
    public void Writer_ThenReader_GivesTheSameNumbers()
    {
        var folder = Shared.Path("data/cases/panoptic/02_noisy");
        using var temp = new TempFolder();
        using var truth = VipsegTruth.Open(folder);
        using (var results = VipsegResults.Open(Path.Combine(folder, "pred"), truth))
        using (var writer = new VipsegWriter(temp.Path("out")))
        {
            foreach (var video in truth.Videos)
            {
                writer.BeginVideo(video.Id);
                foreach (var (picture, frame) in video.Pictures.Zip(results.Frames(video)))
                    writer.Add($"{video.Id}/{Path.ChangeExtension(picture, ".jpg")}", frame);
            }
        }

        Assert.Equal(Text(Score(truth, Path.Combine(folder, "pred"))), Text(Score(truth, temp.Path("out"))));
    }

    private static PanopticReport Score(VipsegTruth truth, string folder)
    {
        using var results = VipsegResults.Open(folder, truth);
        var quality = new PanopticQuality(truth.Categories);
        foreach (var video in truth.Videos)
        {
            quality.BeginVideo(video.Id);
            foreach (var (wanted, found) in truth.Frames(video).Zip(results.Frames(video))) quality.Add(wanted, found);
        }

        return quality.Report();
    }

    private static string Text(PanopticReport report) => JsonSerializer.Serialize(report);

    private static string Line(string what, double value) =>
        string.Create(CultureInfo.InvariantCulture, $"vpq_{what}:{100 * value:F4}");

    private static double[] Numbers(string text, string heading)
    {
        var line = text.Split('\n').SkipWhile(l => l != heading).Skip(1).First();
        return [.. Regex.Matches(line, @"[\d.]+")
            .Select(m => double.Parse(m.Value.TrimEnd('.'), CultureInfo.InvariantCulture))];
    }
}
