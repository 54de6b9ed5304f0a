using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>A model whose run is a function of the test's.</summary>
internal sealed class ScriptedModel(Action<Tensor[], Tensor[]> run) : IModel
{
    public string Name => "scripted.onnx";

    public IReadOnlyList<TensorSpec> Inputs => [];

    public IReadOnlyList<TensorSpec> Outputs => [];

    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        run(inputs.ToArray(), outputs.ToArray());

    public void Dispose()
    {
    }
}
