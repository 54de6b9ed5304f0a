using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>A graph written in C#.</summary>
internal sealed class FakeModel(string name, FakeModel.Body body) : IModel
{
    private int _runs;

    public delegate void Body(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs);

    public string Name { get; } = name;

    public IReadOnlyList<TensorSpec> Inputs => [];

    public IReadOnlyList<TensorSpec> Outputs => [];

    public int Runs => Volatile.Read(ref _runs);

    /// <summary>Run number (from 1) from which on every run fails.</summary>
    public int FailFrom { get; set; } = int.MaxValue;

    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        if (Interlocked.Increment(ref _runs) >= FailFrom) throw new ModelException($"{Name} failed as it was told to.");
        body(inputs, outputs);
    }

    public void Dispose()
    {
    }
}
