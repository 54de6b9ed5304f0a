using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;

/// <summary>Options that the model's task has no use for.</summary>
public sealed class ConfigTaskTests : IDisposable
{
    private readonly ConfigFolder _folder = new();

    [Theory]
    [InlineData("vis", "defaults: { publish: { map: png } }",
        "config.yaml:2:29: defaults.publish.map: found 'png', but a model of task vis has no map of the frame; "
        + "expected auto or off")]
    [InlineData("vis", "defaults: { publish: { map: runs } }",
        "config.yaml:2:29: defaults.publish.map: found 'runs', but a model of task vis has no map of the frame; "
        + "expected auto or off")]
    [InlineData("vis", "defaults: { panoptic: { overlap: 0.5 } }",
        "config.yaml:2:34: defaults.panoptic.overlap: found '0.5', but a model of task vis makes no panoptic "
        + "segments: this option is for task vps")]
    [InlineData("vss", "defaults: { panoptic: { object_score: 0.5 } }",
        "config.yaml:2:39: defaults.panoptic.object_score: found '0.5', but a model of task vss makes no panoptic "
        + "segments: this option is for task vps")]
    [InlineData("vss", "defaults: { track: { lost_timeout: 5s } }",
        "config.yaml:2:36: defaults.track.lost_timeout: found '5s', but a model of task vss has no tracks")]
    [InlineData("vss", "cameras: { a: { file: a.mp4, zones: { z: { polygon: [[0, 0], [1, 0], [1, 1]] } } } }",
        "config.yaml:1:37: cameras.a.zones: found zones, but a model of task vss has no tracks that enter or cross "
        + "them")]
    [InlineData("vss", "defaults: { publish: { contours: true } }",
        "config.yaml:2:34: defaults.publish.contours: found 'true', but a model of task vss has no tracks to draw; "
        + "expected false")]
    public void Load_OptionOfAnotherTask_IsOneSentence(string task, string yaml, string expected)
    {
        TinyScenes.Write(Path.Combine(_folder.Root, "Models/default"), task);

        var cameras = yaml.StartsWith("cameras", StringComparison.Ordinal) ? "" : ConfigFolder.Cameras;
        Assert.Equal([expected], _folder.Errors(cameras + yaml));
    }

    [Fact]
    public void Load_OptionOfAnotherTaskAtOneCamera_NamesTheCamera()
        => Assert.Equal(
            ["config.yaml:1:46: cameras.a.publish.map: found 'png', but a model of task vis has no map of the frame; "
                + "expected auto or off"],
            _folder.Errors("cameras: { a: { file: a.mp4, publish: { map: png } } }"));

    [Fact]
    public void Load_MoreClassesThanAPngHolds_IsRefused()
    {
        TinyDvis.Write(Path.Combine(_folder.Root, "Models/default"), manifest =>
        {
            manifest["task"] = "vss";
            for (var id = 2; id < 256; id++)
                manifest["classes"]!.AsArray()
                    .Add(new System.Text.Json.Nodes.JsonObject
                    { ["id"] = id, ["name"] = $"class {id}", ["kind"] = "stuff", ["color"] = "#000000" });
        });

        Assert.Equal(
            ["config.yaml:2:29: defaults.publish.map: found 'png', but a model of task vss and 256 classes does not "
                + "fit into a PNG of 8 bits; expected runs"],
            _folder.Errors(ConfigFolder.Cameras + "defaults: { publish: { map: png } }"));
    }

    [Theory]
    [InlineData("vis",
        "defaults: { panoptic: { object_score: 0.8, overlap: 0.8 }, publish: { map: auto, contours: true }, track: { "
        + "min_score: 0.5 } }")]
    [InlineData("vps",
        "defaults: { panoptic: { object_score: 0.7 }, publish: { map: png, masks: on, contours: true }, track: { "
        + "min_score: 0.5 } }")]
    [InlineData("vss",
        "defaults: { publish: { map: png, masks: on }, track: { min_score: null, reset_after_gap: 5s } }")]
    public void Load_OptionsThatFitOrAreAtTheirDefault_AreAccepted(string task, string yaml)
    {
        TinyScenes.Write(Path.Combine(_folder.Root, "Models/default"), task);

        Assert.Empty(_folder.Errors(ConfigFolder.Cameras + yaml));
    }

    public void Dispose() => _folder.Dispose();
}
