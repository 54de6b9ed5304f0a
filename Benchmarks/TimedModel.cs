using System.Diagnostics;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Benchmarks;

/// <summary>Counts what a graph costs inside the pipeline: the time of its runs, from any thread.</summary>
/// <param name="clock">Which time; null: on the wall.</param>
internal sealed class TimedModel(IModel model, Func<TimeSpan>? clock = null) : IModel
{
    private readonly Func<TimeSpan> _clock = clock ?? (() => Stopwatch.GetElapsedTime(0));
    private long _ticks;
    private long _runs;

    public string Name => model.Name;

    public IReadOnlyList<TensorSpec> Inputs => model.Inputs;

    public IReadOnlyList<TensorSpec> Outputs => model.Outputs;

    public double Seconds => TimeSpan.FromTicks(Interlocked.Read(ref _ticks)).TotalSeconds;

    public long Runs => Interlocked.Read(ref _runs);

    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var started = _clock();
        model.Run(inputs, outputs);
        Interlocked.Add(ref _ticks, (_clock() - started).Ticks);
        Interlocked.Increment(ref _runs);
    }

    public void Dispose() => model.Dispose();
}
