using System.CommandLine;
using System.Globalization;
using Dvis.Streaming.Benchmarks;
using Dvis.Streaming.Pipeline;
using Dvis.Streaming.Pipeline.Inference;
using Microsoft.Extensions.Logging.Abstractions;

NativeHeap.Limit();
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var model = new Option<string>("--model") { DefaultValueFactory = _ => "Models/default", Description = "Model folder." };
var file = new Option<string>("--file") { DefaultValueFactory = _ => "samples/everyday.mp4", Description = "Video, played in a loop." };
var threads = new Option<int[]>("--threads") { DefaultValueFactory = _ => [1, 2], Description = "Model threads, one comparison each.", AllowMultipleArgumentsPerToken = true };
var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 10, Description = "Length of each measurement." };
var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 3, Description = "Measurements of each kind, in turn." };
var mqtt = new Option<string?>("--mqtt") { Description = "Broker to publish to, mqtt://host:port; none: nothing is published." };
var marks = new Option<long[]>("--frames") { DefaultValueFactory = _ => [2000, 20000], Description = "Frame counts at which memory is read.", AllowMultipleArgumentsPerToken = true };
var transcriptFile = new Argument<string>("file") { Description = "What mosquitto_sub -v -t 'dvis/v1/#' printed." };
var throughput = new Command("throughput", "The graphs alone in a loop against the whole pipeline on the same file, in one run.") { model, file, mqtt, threads, seconds, rounds };
throughput.SetAction(async (parsed, _) =>
{
    foreach (var count in parsed.GetRequiredValue(threads))
    {
        var options = new ModelOptions { Path = parsed.GetRequiredValue(model) };
        using var models = DvisModels.Load(options, new RuntimeOptions { Threads = count }, NullLogger.Instance);
        await Throughput.CompareAsync(models, options.Refiner, parsed.GetRequiredValue(file), parsed.GetValue(mqtt), count, TimeSpan.FromSeconds(parsed.GetRequiredValue(seconds)), parsed.GetRequiredValue(rounds));
    }
});
var memory = new Command("memory", "Resident memory after so many frames of the looped file; exit code 1 when it grew by 2 % or something leaked.") { model, file, mqtt, marks };
memory.SetAction(async (parsed, _) =>
{
    var options = new ModelOptions { Path = parsed.GetRequiredValue(model) };
    using var models = DvisModels.Load(options, new RuntimeOptions(), NullLogger.Instance);
    return await Memory.RunAsync(models, options.Refiner, parsed.GetRequiredValue(file), parsed.GetValue(mqtt), parsed.GetRequiredValue(marks));
});
var transcript = new Command("transcript", "Proves the message contract on what a subscriber has seen.") { transcriptFile };
transcript.SetAction(parsed =>
{
    using var lines = File.OpenText(parsed.GetRequiredValue(transcriptFile));
    return new Transcript().Check(lines);
});
var videos = new Argument<string[]>("videos") { Description = "Rendered videos with their truth beside them (python3 -m dvis render).", Arity = ArgumentArity.OneOrMore };
var clip = new Option<int[]>("--refiner") { DefaultValueFactory = _ => [20, 5, 5], Description = "Window, stride, lookahead.", Arity = new ArgumentArity(3, 3), AllowMultipleArgumentsPerToken = true };
var similarity = new Option<double>("--reidentify") { DefaultValueFactory = _ => new TrackOptions().ReidentifySimilarity, Description = "Option reidentify_similarity." };
var quality = new Command("quality", "Detection, masks and ids of what the service publishes, against rendered truth.") { model, clip, similarity, videos };
quality.SetAction(async (parsed, _) =>
{
    var lengths = parsed.GetRequiredValue(clip);
    var options = new ModelOptions { Path = parsed.GetRequiredValue(model), Refiner = new RefinerOptions { Window = lengths[0], Stride = lengths[1], Lookahead = lengths[2] } };
    using var models = DvisModels.Load(options, new RuntimeOptions(), NullLogger.Instance);
    await Quality.RunAsync(models, options.Refiner, new TrackOptions { ReidentifySimilarity = parsed.GetRequiredValue(similarity) }, parsed.GetRequiredValue(videos));
});
return await new RootCommand("Measurements of Dvis.Streaming; docs/measurements.md says how they are taken.") { throughput, memory, quality, transcript }.Parse(args).InvokeAsync();
