using System.Runtime.InteropServices;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

/// <summary>The shipped graphs, run here, against PyTorch's answers that the exporter wrote beside them.</summary>
public sealed class ReferenceAnswersTests
{
    // float32 through tens of layers in another order of summation.
    private const float Tolerance = 2e-3f;

    [Theory]
    [InlineData("segmenter")]
    [InlineData("tracker")]
    [InlineData("frame_forward")]
    [InlineData("refiner")]
    public void Run_ShippedGraph_GivesPyTorchsAnswers(string graph)
    {
        TinyDvis.RequireRuntime();
        var folder = ShippedModel();
        using var model = OnnxModel.Load(ModelFolder.Open(folder).File(graph, "fp32"), TinyDvis.Runtime, NullLogger.Instance);
        var tensors = Reference(folder).Where(t => t.Graph == graph).ToArray();
        var inputs = model.Inputs.Select(spec => tensors.Single(t => t.Role == "input" && t.Name == spec.Name).Value).ToArray();
        var expected = model.Outputs.Select(spec => tensors.Single(t => t.Role == "output" && t.Name == spec.Name).Value).ToArray();
        var found = expected.Select(t => new Tensor(t.Shape)).ToArray();

        model.Run(inputs, found);

        for (var i = 0; i < found.Length; i++)
        {
            // Relative to the tensor's own scale, so that large logits and small embeddings are held to the same mark.
            var scale = Math.Max(1, expected[i].Span.ToArray().Max(MathF.Abs));
            var worst = expected[i].Span.ToArray().Zip(found[i].Span.ToArray(), (e, f) => MathF.Abs(e - f)).Max();
            Assert.True(worst <= Tolerance * scale, $"{model.Outputs[i]}: off by {worst} at a scale of {scale}.");
        }
    }

    private static string ShippedModel()
    {
        var folder = Repo.Path("Models/default");
        if (!File.Exists(Path.Combine(folder, "reference.json"))) Assert.Skip("Models/default has no reference answers.");
        return folder;
    }

    private static IEnumerable<(string Graph, string Role, string Name, Tensor Value)> Reference(string folder)
    {
        using var index = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "reference.json")));
        var raw = File.ReadAllBytes(Path.Combine(folder, "reference.bin"));
        foreach (var entry in index.RootElement.GetProperty("tensors").EnumerateArray())
        {
            var tensor = new Tensor([.. entry.GetProperty("shape").EnumerateArray().Select(s => s.GetInt64())]);
            MemoryMarshal.Cast<byte, float>(raw.AsSpan(entry.GetProperty("offset").GetInt32(), tensor.Length * sizeof(float))).CopyTo(tensor.Span);
            yield return (entry.GetProperty("graph").GetString()!, entry.GetProperty("role").GetString()!, entry.GetProperty("name").GetString()!, tensor);
        }
    }
}
