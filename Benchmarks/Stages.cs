using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Sources.Options;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Benchmarks;

/// <summary>Milliseconds a frame of every step and their share of the segmenter,
/// for several precisions in turn within one run.</summary>
internal static class Stages
{
    private static readonly string[] Order =
        ["preprocess", "segmenter", "matching", "tracker", "frame_forward", "refiner", "masks", "encoding"];

    public static async Task RunAsync(string path, string[] precisions, RuntimeOptions runtime, RefinerOptions[] clips,
        (int Width, int Height) size, int frames, int rounds, int objects)
    {
        var longest = clips.MaxBy(c => c.Window)!;
        using var pool = new FramePool();
        var scene = new SyntheticOptions
        { Width = size.Width, Height = size.Height, Frames = frames, Realtime = false };
        var pictures = await SourceFrames.ReadAsync(new SourceOptions { Synthetic = scene }, pool, frames);
        var models = precisions.Select(p =>
            ModelGraphs.Load(new ModelOptions { Path = path, Precision = p, Refiner = longest }, runtime,
                NullLogger.Instance)).ToArray();
        var costs = Array.ConvertAll(models, m => new StageCosts(m, runtime.Threads));
        var later = costs.Select(_ => clips.Select(_ => new List<IReadOnlyDictionary<string, double>>()).ToArray())
            .ToArray();
        foreach (var cost in costs) await cost.SegmentAsync([pictures[0]], count: false);
        for (var round = 0; round < rounds; round++)
        {
            for (var p = 0; p < costs.Length; p++)
            {
                await costs[p].SegmentAsync(pictures, count: true);
                for (var c = 0; c < clips.Length; c++) later[p][c].Add(costs[p].Run(clips[c], objects));
            }
        }

        var (m, g) = (models[0].Manifest, costs[0].Geometry);
        Console.WriteLine(
            $"{m.Name} {m.Version}, {size.Width}x{size.Height} as {g.PaddedWidth}x{g.PaddedHeight}, "
            + $"{(runtime.Threads == 1 ? "1 thread, processor "
                + "time" : $"{runtime.Threads} threads, wall time")}, {objects} objects a frame; medians of "
                    + $"{rounds} rounds of {frames} segmenter frames");
        for (var p = 0; p < costs.Length; p++)
        {
            for (var c = 0; c < clips.Length; c++) Print(precisions[p], clips[c], costs[p], later[p][c]);
        }

        if (costs.Length > 1)
        {
            var gains = costs.Select((cost, p) => $"{precisions[p]} {costs[0].SegmentMs / cost.SegmentMs:0.00}x");
            Console.WriteLine($"segmenter: {string.Join(", ", gains)} as fast as {precisions[0]}");
        }

        foreach (var cost in costs) await cost.DisposeAsync();
        foreach (var model in models) model.Dispose();
        foreach (var picture in pictures) picture.Dispose();
    }

    private static void Print(string precision, RefinerOptions clip, StageCosts cost,
        List<IReadOnlyDictionary<string, double>> rounds)
    {
        var ms =
            rounds[0].Keys.ToDictionary(stage => stage, stage => StageCosts.Median([.. rounds.Select(r => r[stage])]));
        (ms["preprocess"], ms["segmenter"]) = (cost.PreprocessMs, cost.SegmentMs);
        Console.WriteLine($"{precision}, window {clip.Window}, stride {clip.Stride}, lookahead {clip.Lookahead}");
        foreach (var stage in Order)
            Console.WriteLine(
                $"  {stage,-14}{ms[stage],10:0.00} ms a frame {ms[stage] / ms["segmenter"],9:0.00 %} of the segmenter");
        Console.WriteLine(
            $"  tracker + refiner {(ms["tracker"] + ms["refiner"]) / ms["segmenter"]:0.00 %}, with frame_forward "
            + $"{(ms["tracker"] + ms["refiner"] + ms["frame_forward"]) / ms["segmenter"]:0.00 %} of the segmenter");
    }
}
