using System.Diagnostics;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Benchmarks;

/// <summary>Counts what a graph costs inside the pipeline: wall time of its runs, from any thread.</summary>
internal sealed class TimedModel(IModel model) : IModel
{
    private long _ticks;
    private long _runs;

    public string Name => model.Name;

    public IReadOnlyList<TensorSpec> Inputs => model.Inputs;

    public IReadOnlyList<TensorSpec> Outputs => model.Outputs;

    public double Seconds => (double)Interlocked.Read(ref _ticks) / Stopwatch.Frequency;

    public long Runs => Interlocked.Read(ref _runs);

    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var started = Stopwatch.GetTimestamp();
        model.Run(inputs, outputs);
        Interlocked.Add(ref _ticks, Stopwatch.GetTimestamp() - started);
        Interlocked.Increment(ref _runs);
    }

    public void Dispose() => model.Dispose();
}
