using System.CommandLine;
using System.Globalization;
using Dvis.Streaming.Benchmarks;
using Dvis.Streaming.Pipeline;
using Dvis.Streaming.Pipeline.Inference;
using Microsoft.Extensions.Logging.Abstractions;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var model = new Option<string>("--model") { DefaultValueFactory = _ => "Models/default", Description = "Model folder." };
var file = new Option<string>("--file") { DefaultValueFactory = _ => "samples/everyday.mp4", Description = "Video, played in a loop." };
var threads = new Option<int[]>("--threads") { DefaultValueFactory = _ => [1, 2], Description = "Model threads, one comparison each.", AllowMultipleArgumentsPerToken = true };
var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 10, Description = "Length of each measurement." };
var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 3, Description = "Measurements of each kind, in turn." };
var throughput = new Command("throughput", "The graphs alone in a loop against the whole pipeline on the same file, in one run.") { model, file, threads, seconds, rounds };
throughput.SetAction(async (parsed, _) =>
{
    foreach (var count in parsed.GetRequiredValue(threads))
    {
        var options = new ModelOptions { Path = parsed.GetRequiredValue(model) };
        using var models = DvisModels.Load(options, new RuntimeOptions { Threads = count }, NullLogger.Instance);
        await Throughput.CompareAsync(models, options.Refiner, parsed.GetRequiredValue(file), count, TimeSpan.FromSeconds(parsed.GetRequiredValue(seconds)), parsed.GetRequiredValue(rounds));
    }
});
return await new RootCommand("Measurements of Dvis.Streaming; every figure of docs/measurements.md comes from here or from a command beside it.") { throughput }.Parse(args).InvokeAsync();
