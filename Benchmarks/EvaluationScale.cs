using System.Diagnostics;
using System.Text.Json;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Benchmarks;

/// <summary>Writes, reads and scores results of the size that OVIS has: how long it takes,
/// and what memory it needs at most.</summary>
internal static class EvaluationScale
{
    private const int Width = 1280, Height = 720, Objects = 10, Detections = 100;

    public static void Run(int videos, int frames)
    {
        var folder = Directory.CreateTempSubdirectory("dvis-bench-");
        try
        {
            var (truth, results) =
                (Path.Combine(folder.FullName, "gt.json"), Path.Combine(folder.FullName, "results.json"));
            var watch = Stopwatch.StartNew();
            var runs = Write(truth, results, videos, frames);
            Console.WriteLine(
                $"{videos} videos of {frames} frames {Width}x{Height}, {Objects} objects, {Detections} detections of "
                + $"one class each, {runs:0} runs a mask");
            Console.WriteLine(
                $"written in {watch.Elapsed.TotalSeconds:0.0} s: results "
                + $"{new FileInfo(results).Length / 1e6:0} MB, truth {new FileInfo(truth).Length / 1e6:0} MB");
            watch.Restart();
            Score(truth, results);
            Console.WriteLine(
                $"scored in {watch.Elapsed.TotalSeconds:0.0} s, of "
                + $"{(long)videos * frames * Objects * Detections:N0} pairs of masks; "
                    + $"{Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0:0} MiB resident at most");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Score(string truthFile, string resultsFile)
    {
        using var truth = YtvisTruth.Open(truthFile);
        using var results = YtvisResults.Open(resultsFile, truth);
        var precision = new VideoPrecision(truth.Categories);
        foreach (var video in truth.Videos) precision.Add(video, truth.Objects(video), results.Of(video));
        Console.WriteLine($"AP {precision.Report().Ap:0.0000}");
    }

    private static double Write(string truthFile, string resultsFile, int videos, int frames)
    {
        var random = new Random(1);
        using var file = File.Create(truthFile);
        using var json = new Utf8JsonWriter(file);
        using var results = new YtvisResultsWriter(resultsFile);
        long runs = 0, masks = 0;
        json.WriteStartObject();
        json.WriteStartArray("annotations");
        for (var video = 0; video < videos; video++)
        {
            var paths = Enumerable.Range(0, Objects)
                .Select(_ => (X: random.Next(Width), Y: random.Next(Height), R: random.Next(40, 160))).ToArray();
            for (var d = 0; d < Detections; d++)
            {
                var (x, y, r) = paths[d % Objects];
                var off = random.Next(40);
                RunLengthMask?[] seen =
                    [.. Enumerable.Range(0, frames).Select(t => Disc(x + off + t % 200, y + off, r))];
                runs += seen.Sum(m => m!.Counts.Length);
                masks += seen.Length;
                results.Add(video, new PredictedInstance(1, random.NextDouble(), seen));
            }

            for (var o = 0; o < Objects; o++)
                WriteObject(json, video * Objects + o + 1, video,
                    [.. Enumerable.Range(0, frames).Select(t => Disc(paths[o].X + t % 200, paths[o].Y, paths[o].R))]);
        }

        json.WriteEndArray();
        json.WritePropertyName("videos");
        JsonSerializer.Serialize(json, Enumerable.Range(0, videos)
            .Select(id => new { id, width = Width, height = Height, length = frames }));
        json.WritePropertyName("categories");
        JsonSerializer.Serialize(json, new[] { new { id = 1, name = "disc" } });
        json.WriteEndObject();
        return (double)runs / masks;
    }

    private static void WriteObject(Utf8JsonWriter json, int id, int video, RunLengthMask[] masks)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteNumber("video_id", video);
        json.WriteNumber("category_id", 1);
        json.WritePropertyName("segmentations");
        JsonSerializer.Serialize(json,
            masks.Select(m => new { size = new[] { Height, Width }, counts = CompressedRuns.Encode(m) }));
        json.WriteEndObject();
        json.Flush();
    }

    private static RunLengthMask Disc(int x, int y, int radius)
    {
        var (counts, end) = (new List<int>(), 0);
        for (var column = Math.Max(0, x - radius); column < Math.Min(Width, x + radius); column++)
        {
            var half = (int)Math.Sqrt((double)radius * radius - (double)(column - x) * (column - x));
            var (top, bottom) = (Math.Max(0, y - half), Math.Min(Height, y + half));
            if (top >= bottom) continue;
            counts.Add(column * Height + top - end);
            counts.Add(bottom - top);
            end = column * Height + bottom;
        }

        counts.Add(Width * Height - end);
        return RunLengths.FromCounts(Width, Height, [.. counts]);
    }
}
