using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

/// <summary>Model folders of GenVIS: what is loaded, and the sentence for each that cannot be.</summary>
public sealed class GenVisFolderTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData(ModelMode.Auto, 3, 3)]
    [InlineData(ModelMode.SemiOnline, 3, 3)]
    [InlineData(ModelMode.Online, 3, 1)]
    [InlineData(ModelMode.Auto, 1, 1)]
    public void Load_AnyMode_HasTheClipsOfTheMode(ModelMode mode, int clip, int expected)
    {
        TinyGenVis.Write(_temp.Root, clip: clip);

        using var sut = Load(mode);

        Assert.Equal((expected, TinyGenVis.Queries, TinyDvis.Queries),
            (sut.Clip, sut.Manifest.Queries, sut.Manifest.FrameQueries));
        Assert.Equal(new MemoryRule(8), sut.Manifest.Memory);
        Assert.Equal([0, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f], sut.FirstQuery.ToArray());
        Assert.NotNull(sut.Find(MethodContract.Clip));
    }

    [Fact]
    public void Load_SemiOnlineWithClipsOfOneFrame_IsRefused()
    {
        TinyGenVis.Write(_temp.Root, clip: 1);
        Assert.Equal($"{_temp.Root}: the model has no refiner; set model.mode to online, not semi-online.",
            Refusal(ModelMode.SemiOnline));
    }

    [Theory]
    [InlineData("clip", "0", "clip: 0, expected an integer from 1 to 512")]
    [InlineData("clip", "513", "clip: 513, expected an integer from 1 to 512")]
    [InlineData("max_clip", "2", "clip: 3, expected an integer from 1 to 2")]
    [InlineData("memory", """{"clips": 0}""", "memory.clips: 0, expected an integer from 1 to 4096")]
    [InlineData("memory", """{"clips": 8, "policy": "lru"}""", "memory.policy: \"lru\", expected merge or ring")]
    [InlineData("memory", "null", "memory: null, expected an object")]
    [InlineData("first_query", "\"../q.bin\"", "first_query: \"../q.bin\", expected a path inside the model folder")]
    [InlineData("frame_queries", "0", "frame_queries: 0, expected an integer from 1 to 4096")]
    [InlineData("scoring", "\"mean_logits\"", "scoring: \"mean_logits\", expected max_softmax_mask_quality")]
    [InlineData("task", "\"vps\"", "task: \"vps\", expected vis")]
    public void Open_WrongEntry_IsRefusedWithFoundAndExpected(string key, string json, string sentence)
    {
        TinyGenVis.Write(_temp.Root, manifest => manifest[key] = JsonNode.Parse(json));
        Assert.Equal($"{_temp.Path("manifest.json")}: {sentence}.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message);
    }

    [Fact]
    public void Open_RingPolicy_IsThat()
    {
        TinyGenVis.Write(_temp.Root, m => m["memory"] = JsonNode.Parse("""{"clips": 5, "policy": "ring"}"""));
        Assert.Equal(new MemoryRule(5, MemoryPolicy.Ring), ModelFolder.Open(_temp.Root).Manifest.Memory);
    }

    /// <summary>Method and graphs disagree, both ways.</summary>
    [Fact]
    public void Open_GraphsOfAnotherMethod_NamesThem()
    {
        TinyGenVis.Write(_temp.Path("genvis"), manifest => manifest["method"] = "minvis");
        TinyDvis.Write(_temp.Path("dvis"), manifest =>
        {
            var files = manifest["files"]!.AsObject();
            files["clip"] = files["tracker"]!.DeepClone();
        });

        Assert.Equal(
            $"{_temp.Path("genvis/manifest.json")}: files: found clip, of other methods than minvis; files.matcher: "
            + "missing, expected an object; scoring: \"max_softmax_mask_quality\", expected mean_logits.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Path("genvis"))).Message);
        Assert.Equal(
            $"{_temp.Path("dvis/manifest.json")}: files: found clip, of other methods than dvis.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Path("dvis"))).Message);
    }

    [Fact]
    public void Load_FirstQueryOfAnotherSize_NamesBoth()
    {
        TinyGenVis.Write(_temp.Root);
        File.WriteAllBytes(_temp.Path("first_query.bin"), new byte[28]);
        Assert.Equal(
            $"{_temp.Path("first_query.bin")}: first_query has 28 bytes, expected 32: [2,4] float32.", Refusal());
    }

    [Fact]
    public void Load_FirstQueryMissingOrNotFinite_IsRefused()
    {
        TinyGenVis.Write(_temp.Root);
        File.WriteAllBytes(_temp.Path("first_query.bin"), [.. Enumerable.Repeat((byte)0xff, 32)]);
        Assert.Equal($"{_temp.Path("first_query.bin")}: first_query has values that are not finite.", Refusal());

        File.Delete(_temp.Path("first_query.bin"));
        Assert.StartsWith(
            $"{_temp.Path("first_query.bin")}: the model's first_query cannot be read: ", Refusal(),
            StringComparison.Ordinal);
    }

    private ModelGraphs Load(ModelMode mode = ModelMode.Auto) => ModelGraphs.Load(
        new ModelOptions { Path = _temp.Root, Mode = mode }, TinyDvis.Runtime, NullLogger.Instance);

    private string Refusal(ModelMode mode = ModelMode.Auto)
        => Assert.Throws<ModelException>(() => Load(mode).Dispose()).Message;
}
