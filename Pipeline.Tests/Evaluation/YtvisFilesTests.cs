using System.Text;
using System.Text.Json.Nodes;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>What is wrong with a file is said with file, entry and field;
/// large files are read entry by entry.</summary>
public sealed class YtvisFilesTests : IDisposable
{
    private readonly TempFolder _temp = new();

    private string TruthFile => _temp.Path("gt.json");

    private string ResultsFile => _temp.Path("results.json");

    [Fact]
    public void SmallFiles_AreRead()
    {
        using var truth = Truth();
        var video = Assert.Single(truth.Videos);
        Assert.Equal((1L, 12, 10, 2, "a/1.jpg"),
            (video.Id, video.Width, video.Height, video.Length, video.FileNames[1]));
        var wanted = Assert.Single(truth.Objects(video));
        Assert.Equal((5L, 1, false, 50.0), (wanted.Id, wanted.CategoryId, wanted.IsCrowd, wanted.MeanArea));
        using var results = Results(truth);
        var found = Assert.Single(results.Of(video));
        Assert.Equal((1, 0.5), (found.CategoryId, found.Score));
        int[] runs = [0, 50, 70];
        Assert.Equal(runs, found.Masks[0]!.Counts);
        Assert.Null(found.Masks[1]);
    }

    [Theory]
    [InlineData("video_id", "2", "[0]: video_id: found 2, expected an id of the videos in {gt}")]
    [InlineData("category_id", "9", "[0]: category_id: found 9, expected an id of the categories in {gt}")]
    [InlineData("score", "\"high\"", "[0]: score: found \"high\", expected a number")]
    [InlineData("score", null, "[0]: score: found nothing, expected a number")]
    [InlineData("segmentations", "[null]",
        "[0]: segmentations: found 1 entries, expected one for each of the video's 2 frames")]
    [InlineData("segmentations", "[null, 3]", "[0]: segmentations[1]: found 3, expected null, polygons or run lengths")]
    [InlineData("segmentations", """[null, {"size": [12, 10], "counts": "0b1V2"}]""",
        "[0]: segmentations[1]: size: found [12, 10], the video's frames are [10, 12]")]
    [InlineData("segmentations", """[null, {"size": [10, 12], "counts": "0b1V"}]""",
        "[0]: segmentations[1]: the text ends within the count that begins at character 3")]
    [InlineData("segmentations", """[null, {"size": [10, 12], "counts": "0b1"}]""",
        "[0]: segmentations[1]: the runs cover 50 cells, 12x10 has 120")]
    [InlineData("segmentations", """[null, {"size": [10, 12], "counts": [120, 0.5]}]""",
        "[0]: segmentations[1]: counts[1]: found 0.5, expected an integer")]
    [InlineData("segmentations", """[null, {"size": [10, 12]}]""",
        "[0]: segmentations[1]: counts: found nothing, expected run lengths")]
    [InlineData("segmentations", "[null, [[1, 2, 3, 4]]]",
        "[0]: segmentations[1]: a polygon has 4 coordinates, it takes at least three pairs")]
    public void WrongResult_IsNamed(string field, string? value, string says)
    {
        using var truth = Truth();
        var json = JsonNode.Parse(SomeVideo.ResultsJson)!;
        if (value is null) json[0]!.AsObject().Remove(field);
        else json[0]![field] = JsonNode.Parse(value);
        File.WriteAllText(ResultsFile, json.ToJsonString());
        var error = Assert.Throws<EvaluationException>(() =>
        {
            using var results = YtvisResults.Open(ResultsFile, truth);
            results.Of(truth.Videos[0]);
        });
        Assert.Equal($"{ResultsFile}: {says.Replace("{gt}", TruthFile, StringComparison.Ordinal)}.", error.Message);
    }

    [Theory]
    [InlineData("videos", "width", "0", "videos[0]: width: found 0, expected an integer from 1 to 32768")]
    [InlineData("videos", "length", "3", "videos[0]: file_names: found 2 names, expected one for each of the 3 frames")]
    [InlineData("categories", "id", "2", "categories[1]: id: found 2 a second time, expected each once")]
    [InlineData("categories", "name", null, "categories[0]: name: found nothing, expected text")]
    [InlineData("annotations", "id", "0",
        "annotations[0]: id: found 0, expected an integer from 1 to 9223372036854775807")]
    [InlineData("annotations", "video_id", "8", "annotations[0]: video_id: found 8, videos has no such id")]
    [InlineData("annotations", "category_id", "8", "annotations[0]: category_id: found 8, categories has no such id")]
    [InlineData("annotations", "iscrowd", "2", "annotations[0]: iscrowd: found 2, expected 0 or 1")]
    [InlineData("annotations", "areas", "[1, \"x\"]",
        "annotations[0]: areas[1]: found \"x\", expected a number or null")]
    public void WrongTruth_IsNamed(string list, string field, string? value, string says)
    {
        var json = JsonNode.Parse(SomeVideo.TruthJson)!;
        if (value is null) json[list]![0]!.AsObject().Remove(field);
        else json[list]![0]![field] = JsonNode.Parse(value);
        var error = Assert.Throws<EvaluationException>(() =>
        {
            using var truth = Truth(json.ToJsonString());
            truth.Objects(truth.Videos[0]);
        });
        Assert.Equal($"{TruthFile}: {says}.", error.Message);
    }

    [Theory]
    [InlineData("", ":1:1: the file is no JSON")]
    [InlineData("3", ": found a single value, expected a list or an object")]
    [InlineData("{}", ": videos: found nothing, expected a list")]
    [InlineData("{\"videos\": [{\"id\": 1,\n]}", ":2:1: videos[0] is no JSON")]
    [InlineData("{\"videos\": [", "is no JSON")]
    [InlineData("[] []", "is no JSON")]
    public void NoTruthAtAll_IsNamed(string text, string says)
    {
        var error = Assert.Throws<EvaluationException>(() => Truth(text));
        Assert.StartsWith(TruthFile, error.Message, StringComparison.Ordinal);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Writer_SizeIsHeightAndWidth_AndTheReaderTakesItBack()
    {
        using (var writer = new YtvisResultsWriter(ResultsFile))
            writer.Add(1, SomeVideo.Prediction(2, 0.25, SomeVideo.Columns(3, 5), null));
        var entry = JsonNode.Parse(File.ReadAllText(ResultsFile))![0]!;
        Assert.Equal("[10,12]", entry["segmentations"]![0]!["size"]!.ToJsonString());
        using var truth = Truth();
        using var results = YtvisResults.Open(ResultsFile, truth);
        var found = Assert.Single(results.Of(truth.Videos[0]));
        Assert.Equal((2, 0.25), (found.CategoryId, found.Score));
        Assert.Equal((12, 10), (found.Masks[0]!.Width, found.Masks[0]!.Height));
        int[] runs = [30, 20, 70];
        Assert.Equal(runs, found.Masks[0]!.Counts);
    }

    [Fact]
    public void Truth_SizeIsHeightAndWidth()
    {
        var json = SomeVideo.TruthJson.Replace("[10, 12]", "[12, 10]", StringComparison.Ordinal);
        using var truth = Truth(json);
        var error = Assert.Throws<EvaluationException>(() => truth.Objects(truth.Videos[0]));
        const string Says = "size: found [12, 10], the video's frames are [10, 12]";
        Assert.Contains(Says, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MissingFile_IsNamed()
        => Assert.StartsWith($"{TruthFile}: the file cannot be read: ",
            Assert.Throws<EvaluationException>(() => YtvisTruth.Open(TruthFile)).Message, StringComparison.Ordinal);

    [Fact]
    public void TestSet_WithoutAnnotations_HasNone()
    {
        var json = JsonNode.Parse(SomeVideo.TruthJson)!.AsObject();
        json.Remove("annotations");
        using var truth = Truth(json.ToJsonString());
        Assert.False(truth.HasAnnotations);
    }

    // Entries far larger than the first buffer, lists in another order, and what no reader asks for in between.
    [Fact]
    public void LargeEntries_InAnyOrder_AreRead()
    {
        var text = new StringBuilder("{\"annotations\": [");
        for (var i = 1; i <= 40; i++)
        {
            text.Append(i > 1 ? ", " : "")
                .Append($$"""{"note": "{{new string('x', i * 7919)}}", "id": {{i}}, "video_id": {{i % 3}}, """)
                .Append(""" "category_id": 1, "segmentations": """)
                .Append($$"""[{"size": [10, 12], "counts": [{{i}}, {{120 - i}}]}, null]}""");
        }

        text.Append("], \"nested\": {\"videos\": [1, [2, 3], {}], \"x\": null}, \"videos\": [");
        text.AppendJoin(", ", Enumerable.Range(0, 3)
            .Select(i => $$"""{"id": {{i}}, "width": 12, "height": 10, "length": 2}"""));
        text.Append("], \"categories\": [{\"id\": 1, \"name\": \"one\"}]}");
        using var truth = Truth(text.ToString());
        foreach (var video in truth.Videos)
            Assert.Equal(Enumerable.Range(1, 40).Where(i => i % 3 == video.Id), truth.Objects(video)
                .Select(o => o.Masks[0]!.Counts[0]));
    }

    [Fact]
    public void DamagedFiles_AreRefusedOrRead_NeverAnythingElse()
    {
        var random = new Random(11);
        var bytes = Encoding.UTF8.GetBytes(SomeVideo.TruthJson);
        var refused = 0;
        for (var round = 0; round < 3000; round++)
        {
            byte[] damaged = [.. bytes];
            for (var n = random.Next(1, 4); n > 0; n--)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(32, 127);
            File.WriteAllBytes(TruthFile, damaged[..random.Next(damaged.Length / 2, damaged.Length + 1)]);
            try
            {
                using var truth = YtvisTruth.Open(TruthFile);
                foreach (var video in truth.Videos) truth.Objects(video);
            }
            catch (EvaluationException e)
            {
                Assert.StartsWith(TruthFile, e.Message, StringComparison.Ordinal);
                refused++;
            }
        }

        Assert.InRange(refused, 1500, 3000);
    }

    public void Dispose() => _temp.Dispose();

    private YtvisTruth Truth(string json = SomeVideo.TruthJson)
    {
        File.WriteAllText(TruthFile, json);
        return YtvisTruth.Open(TruthFile);
    }

    private YtvisResults Results(YtvisTruth truth)
    {
        File.WriteAllText(ResultsFile, SomeVideo.ResultsJson);
        return YtvisResults.Open(ResultsFile, truth);
    }
}
