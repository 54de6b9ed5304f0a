using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

public sealed class ModelGraphsTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void Load_SemiOnline_OpensFourGraphs()
    {
        using var sut = Load(TinyDvis.Write(_temp.Root));
        Assert.Equal("tiny", sut.Manifest.Name);
        Assert.Equal(["frame_embeds", "mask_features", "frame_logits"], sut.Segmenter.Outputs.Select(o => o.Name));
        Assert.NotNull(sut.Find(MethodContract.FrameForward));
        Assert.NotNull(sut.Find(MethodContract.Refiner));
    }

    [Fact]
    public void Load_Online_LeavesTheRefinerAway()
    {
        TinyDvis.Write(_temp.Root);
        File.Delete(_temp.Path("refiner.onnx"));
        File.Delete(_temp.Path("frame_forward.onnx"));
        using var sut = Load(_temp.Root, mode: "online");
        Assert.Null(sut.Find(MethodContract.FrameForward));
        Assert.Null(sut.Find(MethodContract.Refiner));
    }

    public static TheoryData<string> Shipped => new(ShippedModels.Folders);

    [Theory, MemberData(nameof(Shipped))]
    public void Load_ShippedModel_Works(string model)
    {
        using var sut = Load(Repo.Path(model));
        Assert.NotNull(sut.Find(MethodContract.Refiner));
    }

    [Fact]
    public void Load_NoFolder_NamesIt() =>
    Assert.Equal("/nowhere: there is no such model folder.", Refusal("/nowhere"));

    [Fact]
    public void Load_FileMissing_NamesIt()
    {
        TinyDvis.Write(_temp.Root);
        File.Delete(_temp.Path("tracker.onnx"));
        Assert.StartsWith($"{_temp.Path("tracker.onnx")}: the model's file cannot be read: ", Refusal(_temp.Root),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Load_FileChanged_NamesBothHashes()
    {
        TinyDvis.Write(_temp.Root);
        File.AppendAllText(_temp.Path("segmenter.onnx"), "x");
        Assert.Matches(
            "segmenter\\.onnx: the file is damaged or another one: its sha256 is [0-9a-f]{64}, the manifest has "
            + "[0-9a-f]{64}\\.$", Refusal(_temp.Root));
    }

    [Theory(Timeout = 60_000)]
    [InlineData("segmenter.onnx", "/dev/zero", "the model's file is empty, or no file.")]
    [InlineData("segmenter.onnx", null, "the model's file is empty, or no file.")]
    [InlineData("manifest.json", "/dev/zero", "it is larger than 4194304 bytes")]
    public async Task Load_FileThatNeverEnds_IsRefused(string file, string? device, string expected)
    {
        TinyDvis.Write(_temp.Root);
        File.Delete(_temp.Path(file));
        if (device is not null) File.CreateSymbolicLink(_temp.Path(file), device);
        else await MosquittoBroker.RunAsync("mkfifo", _temp.Path(file));
        Assert.EndsWith(expected, await Task.Run(() => Refusal(_temp.Root)), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_ManifestWithOtherSizes_NamesFileTensorAndBothShapes()
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["hidden_size"] = 8);
        Assert.Equal(
            $"{_temp.Path("segmenter.onnx")}: output frame_embeds has shape [?,3,4], the manifest has [?,3,8].",
            Refusal(_temp.Root));
    }

    [Fact]
    public void Load_ManifestWithAnotherClass_NamesTheLogits()
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["classes"]!.AsArray().RemoveAt(1));
        Assert.Equal(
            $"{_temp.Path("segmenter.onnx")}: output frame_logits has shape [?,3,3], the manifest has [?,3,2].",
            Refusal(_temp.Root));
    }

    [Fact]
    public void Load_TensorWithAnotherName_NamesBoth()
    {
        var graph = new Onnx().Input("picture", -1, 3, -1, -1).Output("x", -1, 3, -1, -1)
            .Node("Identity", ["picture"], "x");
        TinyDvis.Write(_temp.Root, segmenter: graph);
        Assert.Equal($"{_temp.Path("segmenter.onnx")}: input 1 is picture, expected image [?,3,?,?].",
            Refusal(_temp.Root));
    }

    [Fact]
    public void Load_OpenShapesThatHideAWrongSize_IsCaughtByTheProof()
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["mask_stride"] = 8);
        Assert.StartsWith($"{_temp.Path("segmenter.onnx")}: the run failed: ", Refusal(_temp.Root),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Load_WindowLongerThanTheRefinerTakes_NamesBoth()
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["refiner"]!["max_window"] = 10);
        Assert.Equal($"{_temp.Root}: model.refiner.window is 20, the model's refiner takes at most 10 frames.",
            Refusal(_temp.Root));
    }

    [Fact]
    public void Load_ModelWithoutRefiner_RunsOnlineOnly()
    {
        TinyDvis.Write(_temp.Root, TinyDvis.LeaveRefinerAway);
        Assert.Equal($"{_temp.Root}: the model has no refiner; set model.mode to online, not semi-online.",
            Refusal(_temp.Root));
        using var sut = Load(_temp.Root, mode: "online");
        Assert.Null(sut.Manifest.RefinerMaxWindow);
        Assert.Equal(["segmenter", "tracker"], sut.Manifest.Files.Keys);
    }

    [Fact]
    public void Load_MinVis_NeedsNoTrackerAndRunsOnlineOnly()
    {
        TinyDvis.Write(_temp.Root, TinyDvis.MakeMinVis);
        Assert.Equal($"{_temp.Root}: the model has no refiner; set model.mode to online, not semi-online.",
            Refusal(_temp.Root));
        using var sut = Load(_temp.Root, mode: "auto");
        Assert.Equal(MethodContract.MinVis, sut.Manifest.Method);
        Assert.Equal(["segmenter", "matcher"], sut.Manifest.Files.Keys);
        Assert.NotNull(sut.Find(MethodContract.Matcher));
        Assert.Null(sut.Find(MethodContract.Tracker));
    }

    [Fact]
    public void Open_NoMethod_IsDvis()
    {
        TinyDvis.Write(_temp.Root);
        Assert.Equal(MethodContract.Dvis, ModelFolder.Open(_temp.Root).Manifest.Method);
    }

    [Theory]
    [InlineData("\"tarvis\"")]
    [InlineData("\"DVIS\"")]
    [InlineData("null")]
    public void Open_AnyOtherMethod_IsRefused_WithFileFoundAndExpected(string method)
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["method"] = JsonNode.Parse(method));
        Assert.Equal(
            $"{_temp.Path("manifest.json")}: method: {method}, expected dvis or minvis or genvis or vita or refinevis.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message);
    }

    /// <summary>A manifest of DVIS that calls itself MinVIS: what is missing and what has no meaning there.</summary>
    [Fact]
    public void Open_MinVisWithoutMatcherAndWithTheOtherRule_NamesBoth()
    {
        TinyDvis.Write(_temp.Root, manifest => (manifest["method"], manifest["matching"]) = ("minvis", "dvis"));
        Assert.Equal(
            $"{_temp.Path("manifest.json")}: files: found tracker, frame_forward, refiner, of other methods than "
            + "minvis; matching: \"dvis\", expected aligned; files.matcher: missing, expected an object.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message);
    }

    [Theory]
    [InlineData(null, 0.3)]
    [InlineData("0.45", 0.45)]
    [InlineData("1", 1.0)]
    public void Open_MinScore_IsTheManifestsOrTheDefault(string? text, double expected)
    {
        TinyDvis.Write(_temp.Root, manifest => { if (text is not null) manifest["min_score"] = JsonNode.Parse(text); });

        Assert.Equal(expected, ModelFolder.Open(_temp.Root).Manifest.MinScore);
    }

    [Theory]
    [InlineData(null, null, 0.3)]
    [InlineData("0.2", null, 0.2)]
    [InlineData("0.2", "0.45", 0.45)]
    public void Open_StartScore_IsTheManifestsOrMinScore(string? min, string? start, double expected)
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            if (min is not null) manifest["min_score"] = JsonNode.Parse(min);
            if (start is not null) manifest["start_score"] = JsonNode.Parse(start);
        });

        Assert.Equal(expected, ModelFolder.Open(_temp.Root).Manifest.StartScore);
    }

    [Theory]
    [InlineData(null, 0.8, 0.8)]
    [InlineData("{}", 0.8, 0.8)]
    [InlineData("""{"object_score": 0.3}""", 0.3, 0.8)]
    [InlineData("""{"object_score": 0, "overlap": 1}""", 0, 1)]
    public void Open_PanopticThresholds_AreTheManifestsOrTheOfficialOnes(string? json, double score, double overlap)
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            if (json is not null) manifest["panoptic"] = JsonNode.Parse(json);
        });

        var open = ModelFolder.Open(_temp.Root).Manifest;
        Assert.Equal(new PanopticRule(score, overlap), open.Panoptic);
        Assert.Equal(new PanopticRule(score, overlap), new CameraSettings(open).PanopticRule);
        var own = new ResultOptions { Panoptic = new() { ObjectScore = 0.5, Overlap = 0.6 } };
        Assert.Equal(new PanopticRule(0.5, 0.6), new CameraSettings(open, own).PanopticRule);
    }

    [Fact]
    public void Open_StartScoreBelowMinScore_IsRefused()
    {
        TinyDvis.Write(_temp.Root, manifest => (manifest["min_score"], manifest["start_score"]) = (0.4, 0.3));

        var refused = Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root));

        Assert.Contains("start_score", refused.Message, StringComparison.Ordinal);
        Assert.Contains("a number from 0.4 to 1", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1.5")]
    [InlineData("-0.1")]
    [InlineData("\"high\"")]
    public void Open_MinScoreThatIsNoShare_IsRefused(string text)
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["min_score"] = JsonNode.Parse(text));

        var refused = Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root));

        Assert.Contains("min_score", refused.Message, StringComparison.Ordinal);
        Assert.Contains("a number from 0 to 1", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, ModelDomain.Real)]
    [InlineData("real", ModelDomain.Real)]
    [InlineData("rendered", ModelDomain.Rendered)]
    public void Open_Domain_IsRealUnlessTheManifestSaysRendered(string? domain, ModelDomain expected)
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            if (domain is not null) manifest["domain"] = domain;
        });
        Assert.Equal(expected, ModelFolder.Open(_temp.Root).Manifest.Domain);
    }

    [Theory]
    [InlineData("\"cartoon\"")]
    [InlineData("\"Rendered\"")]
    [InlineData("\"\"")]
    [InlineData("null")]
    [InlineData("[\"real\"]")]
    public void Open_AnyOtherDomain_IsRefused_WithFileFoundAndExpected(string domain)
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["domain"] = JsonNode.Parse(domain));
        Assert.Equal(
            $"{_temp.Path("manifest.json")}: domain: {domain}, expected real or rendered.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message);
    }

    [Theory]
    [InlineData("Models/default", ModelDomain.Real)]
    [InlineData(ShippedModels.Shapes, ModelDomain.Rendered)]
    public void Open_ShippedModel_HasItsDomain(string model, ModelDomain expected)
        => Assert.Equal(expected, ModelFolder.Open(Repo.Path(model)).Manifest.Domain);

    [Fact]
    public void Open_PartOfARefiner_NamesTheRest()
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            manifest.Remove("refiner");
            manifest["files"]!.AsObject().Remove("frame_forward");
        });
        var message = Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message;
        Assert.Contains("refiner: missing, expected an object", message, StringComparison.Ordinal);
        Assert.Contains("files.frame_forward: missing, expected an object", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_PartOfTheRefinersSteps_NamesTheRest()
    {
        TinyDvis.Write(_temp.Root, manifest =>
            manifest["files"]!["refiner_layer"] = manifest["files"]!["refiner"]!.DeepClone());
        var message = Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message;
        foreach (var missing in (string[])["refiner.layers", "refiner.heads", "files.refiner_attention",
            "files.refiner_heads"])
            Assert.Contains($"{missing}: missing, expected an", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_AStepOfTheRefinerThatIsAnotherGraph_NamesTheTensor()
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            foreach (var graph in MethodContract.Dvis.GraphsOf(GraphUse.WholeVideo))
                manifest["files"]![graph] = manifest["files"]!["refiner"]!.DeepClone();
            (manifest["refiner"]!["layers"], manifest["refiner"]!["heads"]) = (1, 2);
        });
        var folder = ModelFolder.Open(_temp.Root);
        Assert.True(folder.Manifest.HasRefinerSteps);
        var failure = Assert.Throws<ModelException>(() =>
            ModelGraphs.Load(folder, "fp32", TinyDvis.Runtime, ["segmenter", "tracker",
                .. MethodContract.Dvis.GraphsOf(GraphUse.WholeVideo)], 2, NullLogger.Instance));
        Assert.Equal($"{_temp.Path("refiner.onnx")}: input 1 is instance_embeds, expected layer [1].", failure.Message);
    }

    [Fact]
    public void Open_ManifestMissing_NamesIt()
        => Assert.StartsWith($"{_temp.Path("manifest.json")}: the model's manifest cannot be read: ",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message, StringComparison.Ordinal);

    [Fact]
    public void Open_ManifestIsNoJson_NamesLineAndColumn()
    {
        File.WriteAllText(_temp.Path("manifest.json"), "{\n  \"name\": oops\n}");
        Assert.StartsWith($"{_temp.Path("manifest.json")}:2:11: the model's manifest is not JSON: ",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_RefinerIsNull_IsNamedOnce()
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            manifest["refiner"] = null;
            foreach (var graph in (string[])["refiner_attention", "refiner_layer", "refiner_heads"])
                manifest["files"]![graph] = manifest["files"]!["refiner"]!.DeepClone();
        });
        Assert.Equal($"{_temp.Path("manifest.json")}: refiner: null, expected an object.",
            Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message);
    }

    [Fact]
    public void Open_ManyProblems_NamesThemAll()
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            manifest.Remove("name");
            manifest["queries"] = "many";
            manifest["matching"] = "best";
            manifest["input"]!["std"] = new JsonArray(1, 0, 1);
            manifest["classes"]![1]!["id"] = 5;
            manifest["classes"]![0]!["color"] = "red";
            manifest["files"]!["tracker"]!["fp32"]!["path"] = "../tracker.onnx";
            manifest["files"]!["refiner"]!["fp32"]!["sha256"] = "abc";
            manifest.Remove("refiner");
        });
        var message = Assert.Throws<ModelException>(() => ModelFolder.Open(_temp.Root)).Message;
        Assert.All(new[]
        {
            "name: missing, expected text",
            "queries: \"many\", expected an integer from 1 to 4096",
            "matching: \"best\", expected aligned or dvis",
            "input.std: [1,0,1], expected three positive numbers",
            "classes[0].color: \"red\", expected #rrggbb",
            "classes: no class has id 1, and 2 classes need the ids 0 to 1",
            "files.tracker.fp32.path: \"../tracker.onnx\", expected a path inside the model folder",
            "files.refiner.fp32.sha256: \"abc\", expected 64 lower-case hex digits",
            "refiner: missing, expected an object",
        }, problem => Assert.Contains(problem, message, StringComparison.Ordinal));
        Assert.Equal(8, message.Count(c => c == ';'));
    }

    private static ModelGraphs Load(string folder, string mode = "semi-online")
    {
        return ModelGraphs.Load(new ModelOptions { Path = folder, Mode = EnumName.Parse<ModelMode>(mode) },
            TinyDvis.Runtime, NullLogger.Instance);
    }

    private static string Refusal(string folder) => Assert.Throws<ModelException>(() => Load(folder)).Message;
}
