using System.Text.Json;
using System.Text.Json.Nodes;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>Folders of panoptic maps: what is written is what the server takes, and what is wrong is named.</summary>
public sealed class VipsegFilesTests : IDisposable
{
    private const string Json = """
        {"videos": [{"video_id": "v",
          "images": [{"id": "0", "file_name": "0.png"}, {"id": "1", "file_name": "1.png"}]}],
         "categories": [{"id": 0, "name": "road", "isthing": 0}, {"id": 1, "name": "car", "isthing": 1}],
         "annotations": [{"video_id": "v", "annotations": [
          {"segments_info": [{"id": 70000, "category_id": 1, "iscrowd": 0, "area": 2}]}, {"segments_info": []}]}]}
        """;

    private readonly TempFolder _temp = new();

    public VipsegFilesTests()
    {
        // 70000 = 112 + 256 · 17 + 65536 · 1
        Map("gt/v/0.png", 3, [112, 17, 1, 112, 17, 1, 0, 0, 0]);
        Map("gt/v/1.png", 3, new byte[9]);
    }

    [Fact]
    public void Truth_IsRead()
    {
        using var truth = Truth();
        Assert.Equal([false, true], truth.Categories.Select(c => c.IsThing));
        PanopticFrame[] frames = [.. truth.Frames(Assert.Single(truth.Videos))];
        int[] ids = [70000, 70000, 0];
        Assert.Equal(ids, frames[0].Ids);
        Assert.Equal(new PanopticSegment(70000, 1, false, 2), Assert.Single(frames[0].Segments));
        Assert.Empty(frames[1].Segments);
    }

    [Fact]
    public void Writer_WritesWhatTheServerTakes()
    {
        using (var writer = new VipsegWriter(_temp.Path("out")))
        {
            writer.BeginVideo("v");
            writer.Add("v/0.jpg", new PanopticFrame(3, 2, [0, 300, 300, 0, 300, 0], [new(300, 1), new(7, 0)]));
            writer.BeginVideo("w");
        }

        using var json = JsonDocument.Parse(File.ReadAllBytes(_temp.Path("out/pred.json")));
        Assert.Equal(
            """{"annotations":[{"video_id":"v","annotations":[{"file_name":"0.jpg","segments_info":["""
                + """{"id":300,"category_id":1,"iscrowd":0,"area":3,"bbox":[1,0,2,2]}]}]},"""
                + """{"video_id":"w","annotations":[]}]}""",
            File.ReadAllText(_temp.Path("out/pred.json")));
        byte[] pixels = [0, 0, 0, 44, 1, 0, 44, 1, 0, 0, 0, 0, 44, 1, 0, 0, 0, 0];
        Assert.Equal(pixels, LabelMapFile.Read(_temp.Path("out/pan_pred/v/0.png")).Pixels);
    }

    [Theory]
    [InlineData(5, 300, "The map shows the segment 300, which is not listed.")]
    [InlineData(1 << 24, 1 << 24, "The segment 16777216 does not fit into a map of 24 bits.")]
    public void Writer_MapThatDoesNotFit_IsRefused(int listed, int shown, string says)
    {
        using var writer = new VipsegWriter(_temp.Path("out"));
        writer.BeginVideo("v");
        Assert.StartsWith(says, Assert.Throws<ArgumentException>(() =>
            writer.Add("0.jpg", new PanopticFrame(1, 1, [shown], [new(listed, 0)]))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WrongTruth_IsNamed()
    {
        var file = _temp.Path("panoptic_gt_x.json");
        Refused(
            $"{file}: annotations[0].annotations[0].segments_info[0]: id: found 16777216, expected an integer from 0 "
            + $"to 16777215.",
            json => json["annotations"]![0]!["annotations"]![0]!["segments_info"]![0]!["id"] = 1 << 24);
        Refused($"{file}: annotations[0]: annotations: found 1 frames, expected the 2 of the video 'v'.", json =>
            json["annotations"]![0]!["annotations"]!.AsArray().RemoveAt(1));
        Refused($"{file}: annotations: found nothing of the video 'v'.", json =>
            json["annotations"]!.AsArray().Clear());
        Refused($"{file}: videos[0].images[1]: file_name: found nothing, expected text.", json =>
            json["videos"]![0]!["images"]![1]!.AsObject().Remove("file_name"));
        Map("gt/v/1.png", 1, new byte[3]);
        Refused(
            $"{_temp.Path("gt/v/1.png")}: found a picture of 1 channel, expected RGB with the segment's id as R + 256 "
            + $"G + 65536 B.", _ => { });
        File.Delete(_temp.Path("gt/v/1.png"));
        Refused($"{_temp.Path("gt/v/1.png")}: the picture cannot be read: ", _ => { });
    }

    [Fact]
    public void WrongFolder_IsNamed()
    {
        Assert.Equal($"{_temp.Root}: found 0 files panoptic_gt*.json, expected one.",
            Assert.Throws<EvaluationException>(() => VipsegTruth.Open(_temp.Root)).Message);
        using var truth = Truth();
        Directory.CreateDirectory(_temp.Path("out"));
        File.WriteAllText(_temp.Path("out/pred.json"), """{"annotations": [{"video_id": "w", "annotations": []}]}""");
        Assert.Equal(
            $"{_temp.Path("out/pred.json")}: annotations: found nothing of the video 'v', which {truth.Path} has.",
            Assert.Throws<EvaluationException>(() => VipsegResults.Open(_temp.Path("out"), truth)).Message);
    }

    public void Dispose() => _temp.Dispose();

    private void Refused(string says, Action<JsonNode> edit)
    {
        var json = JsonNode.Parse(Json)!;
        edit(json);
        var error = Assert.Throws<EvaluationException>(() =>
        {
            using var truth = Truth(json.ToJsonString());
            foreach (var frame in truth.Frames(truth.Videos[0])) Assert.NotNull(frame);
        });
        Assert.StartsWith(says, error.Message, StringComparison.Ordinal);
    }

    private VipsegTruth Truth(string json = Json)
    {
        File.WriteAllText(_temp.Path("panoptic_gt_x.json"), json);
        return VipsegTruth.Open(_temp.Root);
    }

    private void Map(string name, int channels, byte[] pixels)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_temp.Path(name))!);
        PngWriter.Write(_temp.Path(name), new PngImage(pixels.Length / channels, 1, channels, pixels));
    }
}
