using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Benchmarks;

/// <summary>Model loop and pipeline in turn, so that a noisy machine harms both alike;
/// the ratio of the medians counts.</summary>
internal static class Throughput
{
    public static async Task CompareAsync(ModelGraphs models, RefinerOptions refiner, string file, string? server,
        int threads, TimeSpan length, int rounds)
    {
        using var loop = new ModelLoop(models, refiner, 512, 320);
        loop.Run(TimeSpan.FromSeconds(1));
        await using var pipeline = new PipelineRun(models, refiner, file, BenchSinks.Publish, metrics =>
            BenchSinks.Create(server, models.Manifest, metrics));
        await pipeline.StartAsync();
        var alone = new List<double>();
        var whole = new List<PipelineRate>();
        for (var round = 0; round < rounds; round++)
        {
            alone.Add(loop.Run(length));
            whole.Add(await pipeline.MeasureAsync(length));
        }

        var (graphs, run) =
            (alone.Order().ElementAt(rounds / 2), whole.OrderBy(r => r.FramesPerSecond).ElementAt(rounds / 2));
        Console.WriteLine(
            $"model threads {threads}, window {refiner.Window}, stride {refiner.Stride}, {rounds} rounds of "
            + $"{length.TotalSeconds:0} s, medians");
        Console.WriteLine($"  graphs alone     {graphs,8:0.0} frames/s");
        Console.WriteLine(
            $"  whole pipeline   {run.FramesPerSecond,8:0.0} frames/s   ratio {run.FramesPerSecond / graphs:0.000}");
        Console.WriteLine(
            $"  graphs in the pipeline {run.ModelMs:0.00} ms a frame; processor time of the service "
            + $"{run.CpuMs:0.00} ms a frame (decoder's process not included)");
        Console.WriteLine(
            $"  own cost, ms a frame: {string.Join(", ", run.OwnMs.Select(s => $"{s.Stage} {s.OwnMs:0.000}"))}");
        Console.WriteLine(
            $"  frames outstanding {pipeline.OutstandingFrames}, tensors outstanding {pipeline.OutstandingTensors}");
    }
}
