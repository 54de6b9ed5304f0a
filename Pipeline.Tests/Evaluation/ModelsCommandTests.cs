using Dvis.Streaming.Evaluation.Models;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary><c>dvis models inspect</c> and <c>verify</c>: what they say of a good model,
/// and of every way in which one can be bad.</summary>
public sealed class ModelsCommandTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public static TheoryData<string> Shipped => new(ShippedModels.Folders);

    public static MatrixTheoryData<string, string> ShippedGraphs
        => new(ShippedModels.Folders, ["segmenter", "tracker", "frame_forward", "refiner"]);

    [Fact]
    public async Task Inspect_TellsWhatTheModelIs_WithoutARuntime()
    {
        var (code, output) = await Tool.DvisAsync("models", "inspect", TinyDvis.Write(_temp.Root), "--all");
        Assert.Equal(0, code);
        foreach (var line in new[]
        {
            "tiny 1, task vis\n", "  method    dvis\n", "  domain    real\n", "  classes   2: circle, square\n",
                "  matching  aligned\n", "  refiner   windows of up to 20 frames\n", "  licence   MIT\n",
            "tracker fp32: tracker.onnx, 0.0 MB, 24 parameters, sha256 ", "  in   image [?,3,?,?]\n",
                "  out  logits [3,3]\n", "quality.ap: 0\n", "  answers   none",
        }) Assert.Contains(line, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_RenderedModel_SaysThatItIsNotForRealCameras()
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["domain"] = "rendered");
        var (code, output) = await Tool.DvisAsync("models", "inspect", _temp.Root);
        Assert.Equal(0, code);
        const string Line = "  domain    rendered: trained on scenes that a program has drawn, not for real cameras\n";
        Assert.Contains(Line, output, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Shipped))]
    public async Task Verify_ShippedModel_Passes(string model)
    {
        var (code, output) = await Tool.DvisAsync("models", "verify", Repo.Path(model));
        Assert.True(code == 0, output);
        var precision = ModelFolder.Open(Repo.Path(model)).Manifest.Precision;
        Assert.Contains($"segmenter ({precision}): file and shapes fit", output, StringComparison.Ordinal);
        Assert.Contains($" in {precision}: passed, ", output, StringComparison.Ordinal);
        Assert.Contains(" outputs against their reference answers", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_DamagedAndMissingFiles_AreSaid()
    {
        TinyDvis.Write(_temp.Root);
        await File.AppendAllTextAsync(_temp.Path("tracker.onnx"), "x");
        File.Delete(_temp.Path("refiner.onnx"));
        foreach (var all in (string[][])[[], ["--all"]])
        {
            var (code, output) = await Tool.DvisAsync(["models", "inspect", _temp.Root, .. all]);
            Assert.Equal(0, code);
            Assert.Contains($"\ntracker fp32: {_temp.Path("tracker.onnx")}: ", output, StringComparison.Ordinal);
            Assert.Contains("the file is damaged or another one", output, StringComparison.Ordinal);
            Assert.Contains("refiner.onnx: the model's file cannot be read", output, StringComparison.Ordinal);
        }
    }

    [Theory, MemberData(nameof(Shipped))]
    public async Task Inspect_AnswersIn20Lines_AllHasTheRest(string model)
    {
        var (code, output) = await Tool.DvisAsync("models", "inspect", Repo.Path(model));
        Assert.Equal(0, code);
        Assert.InRange(output.Count(c => c == '\n'), 10, 20);
        Assert.Contains("\n  graphs    segmenter (", output, StringComparison.Ordinal);
        Assert.EndsWith("\nfiles, tensors and measured quality: --all\n", output, StringComparison.Ordinal);
        var all = (await Tool.DvisAsync("models", "inspect", Repo.Path(model), "--all")).Output;
        Assert.StartsWith(output[..output.IndexOf("  graphs", StringComparison.Ordinal)], all,
            StringComparison.Ordinal);
        Assert.Contains("\nquality.", all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_ModelWithoutAnswers_SaysSo_AndIsZero()
    {
        var (code, output) = await Tool.DvisAsync("models", "verify", TinyDvis.Write(_temp.Root));
        Assert.Equal(0, code);
        Assert.Contains("tracker (fp32): file and shapes fit the manifest; no reference answers\n", output,
            StringComparison.Ordinal);
        Assert.Contains("tiny 1 in fp32: passed, 4 graphs, files and shapes only: the folder has no reference "
            + "answers\n", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0f, 0, "memory           off by 0.0e+00 at a scale of 1, allowed 2.0e-03: ok\n")]
    [InlineData(0.5f, 1, "memory           off by 5.0e-01 at a scale of 1, allowed 2.0e-03: FAILED\n")]
    [InlineData(0.5f, 0, "memory           off by 5.0e-01 at a scale of 1, allowed 6.0e-01: ok\n", "--tolerance",
        "0.6")]
    public async Task Verify_ReferenceAnswers_Decide(float off, int expected, string says, params string[] more)
    {
        TinyDvis.Write(_temp.Root);
        WriteAnswer(off);
        var (code, output) = await Tool.DvisAsync(["models", "verify", _temp.Root, .. more]);
        Assert.Equal(expected, code);
        Assert.Contains(says, output, StringComparison.Ordinal);
        var verdict = expected == 0 ? "passed" : "FAILED";
        Assert.Contains($"tiny 1 in fp32: {verdict}, 4 graphs, 1 outputs against their reference answers\n", output,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_WithoutAChoice_TakesThePrecisionThatRuns()
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            var files = manifest["files"]!["frame_forward"]!;
            files["int8"] = files["fp32"]!.DeepClone();
            manifest["precision"] = "int8";
        });
        WriteAnswer(off: 0.5f);
        var (code, output) = await Tool.DvisAsync("models", "verify", _temp.Root);
        Assert.Equal(0, code);
        Assert.Contains("frame_forward (int8): ", output, StringComparison.Ordinal);
        Assert.Contains("memory           off by 5.0e-01 at a scale of 1, only reported\n", output,
            StringComparison.Ordinal);
        Assert.Contains("tiny 1 in int8: passed, 4 graphs, 1 outputs against their reference answers, 1 of them only "
            + "reported: int8 has a measured quality, not a bound (--tolerance sets one)\n", output,
            StringComparison.Ordinal);
        Assert.Contains("tiny 1 in fp32: FAILED, ",
            (await Tool.DvisAsync("models", "verify", _temp.Root, "--precision", "fp32")).Output,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_PrecisionOfTheManifestWithoutFiles_IsOneSentence_AndOne()
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["precision"] = "int8");
        Assert.Equal(
            (1, $"dvis: precision of the manifest: {_temp.Root} has no int8 file of any graph, only fp32\n"),
            await Tool.DvisAsync("models", "verify", _temp.Root));
    }

    [Fact]
    public async Task Verify_EveryBadGraph_IsSaid_AndIsOne()
    {
        TinyDvis.Write(_temp.Root, manifest => manifest["hidden_size"] = 5);
        await File.AppendAllTextAsync(_temp.Path("refiner.onnx"), "x");
        var (code, output) = await Tool.DvisAsync("models", "verify", _temp.Root);
        Assert.Equal(1, code);
        Assert.Contains("tracker.onnx: input frame_embeds has shape [?,3,4], the manifest has [?,3,5].", output,
            StringComparison.Ordinal);
        Assert.Contains("refiner.onnx: the file is damaged or another one", output, StringComparison.Ordinal);
        Assert.Contains("tiny 1 in fp32: FAILED", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ModelWithoutRefiner_AndWithAMatcher_IsInspectedAndVerified()
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            var files = manifest["files"]!.AsObject();
            files["matcher"] = files["tracker"]!.DeepClone();
            files.Remove("frame_forward");
            files.Remove("refiner");
            manifest.Remove("refiner");
        });
        Assert.Contains("  refiner   none: mode online only\n",
            (await Tool.DvisAsync("models", "inspect", _temp.Root)).Output, StringComparison.Ordinal);
        var (code, output) = await Tool.DvisAsync("models", "verify", _temp.Root);
        Assert.Equal(0, code);
        Assert.Contains("matcher (fp32): file and shapes fit the manifest", output, StringComparison.Ordinal);
        Assert.Contains("tiny 1 in fp32: passed, 3 graphs", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MinVis_IsInspectedAndVerified()
    {
        TinyDvis.Write(_temp.Root, TinyDvis.MakeMinVis);
        var inspected = (await Tool.DvisAsync("models", "inspect", _temp.Root)).Output;
        Assert.Contains("  method    minvis\n", inspected, StringComparison.Ordinal);
        Assert.Contains("  refiner   none: mode online only\n", inspected, StringComparison.Ordinal);
        var (code, output) = await Tool.DvisAsync("models", "verify", _temp.Root);
        Assert.Equal(0, code);
        Assert.Contains("matcher (fp32): file and shapes fit the manifest", output, StringComparison.Ordinal);
        Assert.Contains("tiny 1 in fp32: passed, 2 graphs", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NoModel_OrNoSuchPrecision_IsOneSentence()
    {
        Assert.Equal((1, "dvis: /nowhere: there is no such model folder.\n"),
            await Tool.DvisAsync("models", "inspect", "/nowhere"));
        TinyDvis.Write(_temp.Root);
        Assert.Equal((2, $"dvis: --precision: {_temp.Root} has no int8 file of any graph, only fp32\n"),
            await Tool.DvisAsync("models", "verify", _temp.Root, "--precision", "int8"));
    }

    [Theory, MemberData(nameof(ShippedGraphs))]
    public void OnnxFile_OfTheShippedGraphs_SaysWhatTheRuntimeSays(string shipped, string graph)
    {
        var path = ModelFolder.Open(Repo.Path(shipped)).File(graph, "fp32");
        using var model = OnnxModel.Load(path, "cpu", TinyDvis.Runtime);
        var file = OnnxFile.Read(path);
        Assert.Equal(model.Inputs.Select(s => $"{s}"), file.Inputs.Select(s => $"{s}"));
        Assert.Equal(model.Outputs.Select(s => $"{s}"), file.Outputs.Select(s => $"{s}"));
        // Most of the file is weights of two bytes: they are stored as float16.
        var words = new FileInfo(path).Length / 2;
        Assert.InRange(file.Parameters, words * 4 / 5, words);
    }

    [Fact]
    public void OnnxFile_Damaged_IsRefused_NeverAnythingElse()
    {
        var graph = TinyDvis.Tracker().Build();
        var random = new Random(5);
        for (var round = 0; round < 2000; round++)
        {
            byte[] damaged = [.. graph];
            damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(_temp.Path("x.onnx"), damaged[..random.Next(damaged.Length + 1)]);
            try
            {
                Assert.True(OnnxFile.Read(_temp.Path("x.onnx")).Parameters >= 0);
            }
            catch (ModelException e)
            {
                Assert.StartsWith(_temp.Path("x.onnx"), e.Message, StringComparison.Ordinal);
            }
        }
    }

    public void Dispose() => _temp.Dispose();

    private void WriteAnswer(float off)
    {
        var answer = new float[12];
        answer[5] = off;
        File.WriteAllBytes(_temp.Path("reference.bin"),
            [.. new float[12].Concat(answer).SelectMany(BitConverter.GetBytes)]);
        File.WriteAllText(_temp.Path("reference.json"), """
            {"tensors": [
              {"graph": "frame_forward", "role": "input", "name": "frame_embeds", "shape": [1, 3, 4], "offset": 0},
              {"graph": "frame_forward", "role": "output", "name": "memory", "shape": [1, 3, 4], "offset": 48}]}
            """);
    }
}
