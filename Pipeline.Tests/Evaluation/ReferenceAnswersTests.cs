using Dvis.Streaming.Evaluation.Models;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>The shipped graphs, run here, against PyTorch's answers that the exporter wrote beside them.</summary>
public sealed class ReferenceAnswersTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public static MatrixTheoryData<string, string> ShippedGraphs
        => new(ShippedModels.Folders, ["segmenter", "tracker", "frame_forward", "refiner"]);

    [Theory, MemberData(nameof(ShippedGraphs))]
    public void Compare_ShippedGraph_GivesPyTorchsAnswers(string model, string graph)
    {
        var folder = ModelFolder.Open(Repo.Path(model));
        var answers = ReferenceAnswers.Open(folder.Path);
        if (answers is null) Assert.Skip($"{model} has no reference answers.");
        using var loaded = OnnxModel.Load(folder.File(graph, "fp32"), "cpu", TinyDvis.Runtime);

        var deviations = answers.Compare(graph, loaded, ReferenceAnswers.DefaultTolerance("fp32"));

        Assert.Equal(loaded.Outputs.Select(o => o.Name), deviations.Select(d => d.Tensor).Distinct());
        Assert.All(deviations, d => Assert.True(d.Passes, $"{d}"));
    }

    [Theory]
    [InlineData(0.01f, null, 0.1, true)]
    [InlineData(0.3f, null, 0.1, false)]
    [InlineData(0.3f, 0.2, 0.1, true)]
    [InlineData(0.5f, 0.2, 0.1, false)]
    [InlineData(0.5f, null, null, true)]
    public void Compare_Difference_IsHeldToTheTensorsScale(float off, double? own, double? tolerance, bool passes)
    {
        using var model = TinyDvis.Load(TinyDvis.FrameForward());
        // The reference is [1, 2] and off by `off` at its end; its scale is 2.
        Write([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, off], own);
        var deviation = Assert.Single(ReferenceAnswers.Open(_temp.Root)!.Compare("frame_forward", model, tolerance));
        Assert.Equal((off, 2.0, passes), ((float)deviation.Largest, deviation.Scale, deviation.Passes));
    }

    [Fact]
    public void Compare_OutputThatIsNoNumber_Fails_EvenWithoutABound()
    {
        using var model = TinyDvis.Load(TinyDvis.FrameForward());
        Write([1, 2, 0, 0, 0, 0, float.NaN, 0, 0, 0, 0, 0], new float[12], null);
        Assert.False(Assert.Single(ReferenceAnswers.Open(_temp.Root)!.Compare("frame_forward", model, null)).Passes);
    }

    [Fact]
    public void Compare_SeveralCases_RunsEachAtItsOwnSize()
    {
        using var model = TinyDvis.Load(TinyDvis.FrameForward());
        File.WriteAllBytes(_temp.Path("reference.bin"),
            [.. Enumerable.Repeat(1f, 36).SelectMany(BitConverter.GetBytes), .. new byte[96]]);
        File.WriteAllText(_temp.Path("reference.json"), """
            {"tensors": [
              {"graph": "frame_forward", "case": 2, "role": "input", "name": "frame_embeds", "shape": [2, 3, 4],
               "offset": 0},
              {"graph": "frame_forward", "case": 2, "role": "output", "name": "memory", "shape": [2, 3, 4],
               "offset": 144},
              {"graph": "frame_forward", "role": "input", "name": "frame_embeds", "shape": [1, 3, 4], "offset": 0},
              {"graph": "frame_forward", "role": "output", "name": "memory", "shape": [1, 3, 4], "offset": 96}]}
            """);
        Assert.Equal([0.0, 1.0], ReferenceAnswers.Open(_temp.Root)!.Compare("frame_forward", model, null)
            .Select(d => d.Largest));
    }

    [Theory]
    [InlineData("""{"tensors": 3}""", "tensors: expected a list")]
    [InlineData("[", "cannot be read")]
    public void Open_WrongFile_SaysWhere(string json, string says) => OpenWrong(json, says);

    [Theory]
    [InlineData(""" "shape": [4], "offset": 4 """)]
    [InlineData(""" "shape": [1099511627776, 1099511627776], "offset": 0 """)]
    [InlineData(""" "shape": [1], "offset": 0, "tolerance": 0 """)]
    [InlineData(""" "case": 0, "shape": [1], "offset": 0 """)]
    public void Open_WrongEntry_SaysWhere(string rest) => OpenWrong(
        $$"""{"tensors": [{"graph": "refiner", "role": "input", "name": "x", {{rest}}}]}""",
        "tensors[0]: expected graph, role, name, shape and offset");

    [Fact]
    public void Open_NoAnswers_IsNull() => Assert.Null(ReferenceAnswers.Open(_temp.Root));

    public void Dispose() => _temp.Dispose();

    private void OpenWrong(string json, string says)
    {
        File.WriteAllText(_temp.Path("reference.json"), json);
        File.WriteAllBytes(_temp.Path("reference.bin"), new byte[16]);
        Assert.Contains(says, Assert.Throws<ModelException>(() => ReferenceAnswers.Open(_temp.Root)).Message,
            StringComparison.Ordinal);
    }

    private void Write(float[] input, float[] output, double? tolerance)
    {
        File.WriteAllBytes(_temp.Path("reference.bin"), [.. input.Concat(output).SelectMany(BitConverter.GetBytes)]);
        var own = tolerance is { } t ? FormattableString.Invariant($", \"tolerance\": {t}") : "";
        File.WriteAllText(_temp.Path("reference.json"), $$"""
            {"tensors": [
              {"graph": "frame_forward", "role": "input", "name": "frame_embeds", "shape": [1, 3, 4], "offset": 0},
              {"graph": "frame_forward", "role": "output", "name": "memory", "shape": [1, 3, 4], "offset": 48{{own}}}]}
            """);
    }
}
