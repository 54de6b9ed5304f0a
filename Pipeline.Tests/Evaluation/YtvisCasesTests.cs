using System.Text.Json;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>The official evaluator's answers on its hard cases: every number, to 1e-6.</summary>
public sealed class YtvisCasesTests
{
    private const double Tolerance = 1e-6;

    public static TheoryData<string> Cases => [
        "01_perfect", "02_jitter_fp", "03_id_switch_fragments", "04_wrong_class_dups_ties",
            "05_crowd_emptyvideo_absentcat", "08_polygon_and_uncompressed_gt"];

    [Theory]
    [MemberData(nameof(Cases))]
    public void OfficialCase_GivesTheOfficialNumbers(string name)
    {
        var folder = Shared.Path($"data/cases/ytvis/{name}");
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json")));
        using var truth = YtvisTruth.Open(Path.Combine(folder, "gt.json"));
        using var results = YtvisResults.Open(Path.Combine(folder, "results.json"), truth);
        var precision = new VideoPrecision(truth.Categories);
        // Another order of the videos must not matter.
        foreach (var video in truth.Videos.Reverse()) precision.Add(video, truth.Objects(video), results.Of(video));

        var report = precision.Report();

        var metrics = expected.RootElement.GetProperty("metrics");
        Same(metrics, report.Ap, "AP");
        Same(metrics, report.Ap50, "AP50");
        Same(metrics, report.Ap75, "AP75");
        Same(metrics, report.ApSmall, "APs");
        Same(metrics, report.ApMedium, "APm");
        Same(metrics, report.ApLarge, "APl");
        Same(metrics, report.Ar1, "AR1");
        Same(metrics, report.Ar10, "AR10");
        Same(metrics, report.Ar100, "AR100");
        Same(metrics, report.ArSmall, "ARs");
        Same(metrics, report.ArMedium, "ARm");
        Same(metrics, report.ArLarge, "ARl");
        var categories = expected.RootElement.GetProperty("per_category").EnumerateObject().ToArray();
        Assert.NotEmpty(categories);
        foreach (var category in categories)
        {
            var found = report.PerCategory.Single(c => $"{c.Category.Id}" == category.Name);
            Same(category.Value, found.Ap, "AP");
            Same(category.Value, found.Ap50, "AP50");
            Same(category.Value, found.Ap75, "AP75");
            Same(category.Value, found.Ar1, "AR1");
            Same(category.Value, found.Ar10, "AR10");
        }

        var thresholds = expected.RootElement.GetProperty("ap_per_iou").EnumerateObject().ToArray();
        Assert.Equal(10, thresholds.Length);
        for (var t = 0; t < thresholds.Length; t++)
            Assert.Equal(thresholds[t].Value.GetDouble(), report.PerThreshold[t], Tolerance);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void OfficialCase_EveryPairOverlapsAsMuch(string name)
    {
        var folder = Shared.Path($"data/cases/ytvis/{name}");
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json")));
        using var truth = YtvisTruth.Open(Path.Combine(folder, "gt.json"));
        using var results = YtvisResults.Open(Path.Combine(folder, "results.json"), truth);
        foreach (var pairs in expected.RootElement.GetProperty("pair_ious").EnumerateArray())
        {
            var video = truth.Videos.Single(v => v.Id == pairs.GetProperty("video_id").GetInt64());
            var category = pairs.GetProperty("category_id").GetInt32();
            var wanted = truth.Objects(video).Where(o => o.CategoryId == category).ToArray();
            var found = results.Of(video).Where(o => o.CategoryId == category).OrderByDescending(o => o.Score)
                .ToArray();
            foreach (var (d, row) in pairs.GetProperty("iou").EnumerateArray().Index())
                foreach (var (g, iou) in row.EnumerateArray().Index())
                    Assert.Equal(iou.GetDouble(), new VideoOverlap(found[d].Masks)
                        .IoU(new VideoOverlap(wanted[g].Masks)), 1e-12);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Writer_ThenReader_GivesTheSameNumbers(string name)
    {
        using var folder = new TempFolder();
        using var truth = YtvisTruth.Open(Shared.Path($"data/cases/ytvis/{name}/gt.json"));
        using var results = YtvisResults.Open(Shared.Path($"data/cases/ytvis/{name}/results.json"), truth);
        var (before, after) = (new VideoPrecision(truth.Categories), new VideoPrecision(truth.Categories));
        using (var writer = new YtvisResultsWriter(folder.Path("results.json")))
            foreach (var video in truth.Videos)
                foreach (var instance in results.Of(video)) writer.Add(video.Id, instance);
        using var written = YtvisResults.Open(folder.Path("results.json"), truth);
        Assert.Equal(results.Count, written.Count);
        foreach (var video in truth.Videos)
        {
            before.Add(video, truth.Objects(video), results.Of(video));
            after.Add(video, truth.Objects(video), written.Of(video));
        }

        Assert.Equal(Text(before), Text(after));
    }

    private static string Text(VideoPrecision precision) => JsonSerializer.Serialize(precision.Report());

    private static void Same(JsonElement expected, double found, string key) =>
        Assert.Equal(expected.GetProperty(key).GetDouble(), found, Tolerance);
}
