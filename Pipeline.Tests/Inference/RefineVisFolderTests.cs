using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

/// <summary>Model folders of RefineVIS: what is loaded, and the sentence for each that cannot be.</summary>
public sealed class RefineVisFolderTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData(ModelMode.Auto, true)]
    [InlineData(ModelMode.SemiOnline, true)]
    [InlineData(ModelMode.Online, false)]
    public void Load_AnyMode_HasBothGraphsAndRevisesInSemiOnlineOnly(ModelMode mode, bool revises)
    {
        TinyRefineVis.Write(_temp.Root);

        using var sut = Load(mode);

        Assert.Equal((revises, TinyRefineVis.Slots, TinyDvis.Queries),
            (sut.Revises, sut.Manifest.Queries, sut.Manifest.FrameQueries));
        Assert.NotNull(sut.Find(MethodContract.Associate));
        Assert.NotNull(sut.Find(MethodContract.Refine));
    }

    [Fact]
    public void Open_NoSettings_AreThoseOfIdol()
    {
        TinyRefineVis.Write(_temp.Root);

        var manifest = ModelFolder.Open(_temp.Root).Manifest;

        Assert.Equal(new AssociationRule(), manifest.Association);
        Assert.Equal((10, 1024), (manifest.TemporalWindow, manifest.FramePeriod));
    }

    [Fact]
    public void Open_Settings_AreRead()
    {
        TinyRefineVis.Write(_temp.Root, manifest => manifest["association"] = JsonNode.Parse(
            """
            {"select": 0.05, "nms_pre": 0.3, "add_new": 0.35, "init": 0.25, "match": 0.45, "nms_post": 0.15,
             "forget_after": 7, "memory": "momentum", "memory_length": 5, "momentum": 0.7}
            """));

        Assert.Equal(
            new AssociationRule
            {
                Select = 0.05,
                NmsPre = 0.3,
                AddNew = 0.35,
                Init = 0.25,
                Match = 0.45,
                NmsPost = 0.15,
                ForgetAfter = 7,
                Memory = TrackletMemory.Momentum,
                MemoryLength = 5,
                Momentum = 0.7,
            },
            ModelFolder.Open(_temp.Root).Manifest.Association);
    }

    [Theory]
    [InlineData("window", "0", "window: 0, expected an integer from 1 to 512")]
    [InlineData("frame_period", "null", "frame_period: null, expected an integer from 1 to 1048576")]
    [InlineData("association", "null", "association: null, expected an object")]
    [InlineData("association", """{"match": 2}""", "association.match: 2, expected a number from 0 to 1")]
    [InlineData(
        "association", """{"memory": "last"}""", "association.memory: \"last\", expected weighted or momentum")]
    [InlineData(
        "association", """{"memory_length": 0}""",
        "association.memory_length: 0, expected an integer from 1 to 100")]
    [InlineData(
        "association", """{"forget_after": 0}""", "association.forget_after: 0, expected an integer from 1 to 1000")]
    [InlineData("frame_queries", "null", "frame_queries: null, expected an integer from 1 to 4096")]
    [InlineData("refiner", "null", "refiner: null, expected an object")]
    [InlineData("scoring", "\"mean_logits\"", "scoring: \"mean_logits\", expected mean_over_detections")]
    [InlineData("task", "\"vps\"", "task: \"vps\", expected vis")]
    public void Open_WrongEntry_IsRefusedWithFoundAndExpected(string key, string json, string sentence)
    {
        TinyRefineVis.Write(_temp.Root, manifest => manifest[key] = JsonNode.Parse(json));
        Assert.Equal($"{_temp.Path("manifest.json")}: {sentence}.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message);
    }

    [Fact]
    public void Load_ClipLongerThanTrained_IsRefused()
    {
        TinyRefineVis.Write(_temp.Root, manifest => manifest["refiner"]!["max_window"] = 19);
        Assert.Equal($"{_temp.Root}: model.refiner.window is 20, the model's refiner takes at most 19 frames.",
            Assert.Throws<ModelException>(() => Load(ModelMode.Auto)).Message);
        Load(ModelMode.Online).Dispose();
    }

    [Fact]
    public void Load_GraphOfAnotherShape_NamesTensorAndShapes()
    {
        TinyRefineVis.Write(_temp.Root, refine: TinyRefineVis.Associate());
        Assert.Equal(
            $"{_temp.Path("refine.onnx")}: input 1 is frame_embeds, expected query [?,?,4].",
            Assert.Throws<ModelException>(() => Load(ModelMode.Auto)).Message);
    }

    [Fact]
    public void Open_GraphsOfAnotherMethod_NamesThem()
    {
        TinyRefineVis.Write(_temp.Root, manifest =>
        {
            var files = manifest["files"]!.AsObject();
            files["tracker"] = files["refine"]!.DeepClone();
        });
        Assert.Equal(
            $"{_temp.Path("manifest.json")}: files: found tracker, of other methods than refinevis.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message);
    }

    private ModelGraphs Load(ModelMode mode) => ModelGraphs.Load(
        new ModelOptions { Path = _temp.Root, Mode = mode }, TinyDvis.Runtime, NullLogger.Instance);
}
