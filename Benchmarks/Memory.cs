using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Benchmarks;

/// <summary>Resident memory of this process at given frame counts of one endless run.</summary>
internal static class Memory
{
    public static async Task<int> RunAsync(ModelGraphs models, RefinerOptions refiner, string file, string? server,
        long[] marks)
    {
        var pipeline = new PipelineRun(models, refiner, file, BenchSinks.Publish, metrics =>
            BenchSinks.Create(server, models.Manifest, metrics));
        await pipeline.StartAsync();
        var resident = new List<double>();
        await pipeline.RunAsync(marks.Max(), frames =>
        {
            if (!marks.Contains(frames)) return;
            resident.Add(ResidentMemory.Now);
            Console.WriteLine(
                $"{frames,8} frames  {resident[^1]:0.0} MiB resident, "
                + $"{GC.GetGCMemoryInfo().HeapSizeBytes / 1048576.0:0.0} MiB managed, "
                    + $"{pipeline.AllocatedMiB:0.0} MiB in pools");
        });
        await pipeline.DisposeAsync();
        var change = (resident[^1] / resident[0] - 1) * 100;
        Console.WriteLine($"peak {ResidentMemory.Peak:0.0} MiB resident");
        Console.WriteLine(
            $"change {change:+0.00;-0.00} %, frames outstanding {pipeline.OutstandingFrames}, tensors outstanding "
            + $"{pipeline.OutstandingTensors}");
        return Math.Abs(change) < 2 && pipeline.OutstandingFrames == 0 && pipeline.OutstandingTensors == 0 ? 0 : 1;
    }
}
