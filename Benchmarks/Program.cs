using System.CommandLine;
using System.Globalization;
using Dvis.Streaming.Benchmarks;
using Dvis.Streaming.Benchmarks.Fuzzing;
using Dvis.Streaming.Benchmarks.Mutation;
using Dvis.Streaming.Benchmarks.Soaking;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Microsoft.Extensions.Logging.Abstractions;


NativeHeap.Limit();
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var model = new Option<string>("--model") { DefaultValueFactory = _ => "Models/shapes", Description = "Model folder." };
var file = new Option<string>("--file")
{
    DefaultValueFactory = _ => "samples/everyday.mp4",
    Description = "Video, played in a loop."
};
var threads = new Option<int[]>("--threads")
{
    DefaultValueFactory = _ => [1, 2],
    Description = "Model threads, one comparison each.",
    AllowMultipleArgumentsPerToken = true
};
var seconds =
    new Option<double>("--seconds") { DefaultValueFactory = _ => 10, Description = "Length of each measurement." };
var rounds =
    new Option<int>("--rounds") { DefaultValueFactory = _ => 3, Description = "Measurements of each kind, in turn." };
var mqtt = new Option<string?>("--mqtt")
{ Description = "Broker to publish to, mqtt://host:port; none: nothing is published." };
var marks = new Option<long[]>("--frames")
{
    DefaultValueFactory = _ => [2000, 20000],
    Description = "Frame counts at which memory is read.",
    AllowMultipleArgumentsPerToken = true
};
var transcriptFile = new Argument<string>("file") { Description = "What mosquitto_sub -v -t 'dvis/v1/#' printed." };
var throughput = new Command("throughput",
    "The graphs alone in a loop against the whole pipeline on the same file, in one run.") { model, file, mqtt, threads,
    seconds, rounds };
throughput.SetAction(async (parsed, _) =>
{
    foreach (var count in parsed.GetRequiredValue(threads))
    {
        var options = new ModelOptions { Path = parsed.GetRequiredValue(model) };
        using var models = ModelGraphs.Load(options, new RuntimeOptions { Threads = count }, NullLogger.Instance);
        await Throughput.CompareAsync(models, options.Refiner, parsed.GetRequiredValue(file), parsed.GetValue(mqtt),
            count, TimeSpan.FromSeconds(parsed.GetRequiredValue(seconds)), parsed.GetRequiredValue(rounds));
    }
});
var precision = new Option<string>("--precision")
{ DefaultValueFactory = _ => "fp32", Description = "Which of the model's files." };
var mode =
    new Option<string>("--mode") { DefaultValueFactory = _ => "semi-online", Description = "online or semi-online." };
var memory = new Command("memory",
    "Resident memory after so many frames of the looped file; exit code 1 when it grew by 2 % or something leaked.")
    { model, precision, mode, file, mqtt, marks };
memory.SetAction(async (parsed, _) =>
{
    var options = new ModelOptions
    {
        Path = parsed.GetRequiredValue(model),
        Precision = parsed.GetRequiredValue(precision),
        Mode = EnumName.Parse<ModelMode>(parsed.GetRequiredValue(mode))
    };
    using var models = ModelGraphs.Load(options, new RuntimeOptions(), NullLogger.Instance);
    return await Memory.RunAsync(models, options.Refiner, parsed.GetRequiredValue(file), parsed.GetValue(mqtt),
        parsed.GetRequiredValue(marks));
});
var transcript =
    new Command("transcript", "Proves the message contract on what a subscriber has seen.") { transcriptFile };
transcript.SetAction(parsed =>
{
    using var lines = File.OpenText(parsed.GetRequiredValue(transcriptFile));
    return new Transcript().Check(lines);
});
var videos = new Argument<string[]>("videos")
{
    Description = "Rendered videos with their truth beside them (python3 -m dvis render).",
    Arity = ArgumentArity.OneOrMore
};
var clip = new Option<int[]>("--refiner")
{
    DefaultValueFactory = _ => [20, 5, 5],
    Description = "Window, stride, lookahead.",
    Arity = new ArgumentArity(3, 3),
    AllowMultipleArgumentsPerToken = true
};
var similarity = new Option<double>("--reidentify")
{
    DefaultValueFactory = _ => new TrackOptions().ReidentifySimilarity,
    Description = "Option reidentify_similarity."
};
var quality = new Command("quality", "Detection, masks and ids of what the service publishes, against rendered truth.")
    { model, precision, clip, similarity, videos };
quality.SetAction(async (parsed, _) =>
{
    var lengths = parsed.GetRequiredValue(clip);
    var options = new ModelOptions
    {
        Path = parsed.GetRequiredValue(model),
        Precision = parsed.GetRequiredValue(precision),
        Refiner = new RefinerOptions { Window = lengths[0], Stride = lengths[1], Lookahead = lengths[2] }
    };
    using var models = ModelGraphs.Load(options, new RuntimeOptions(), NullLogger.Instance);
    await Quality.RunAsync(models, options.Refiner, new TrackOptions
    { ReidentifySimilarity = parsed.GetRequiredValue(similarity) }, parsed.GetRequiredValue(videos));
});
var precisions = new Option<string[]>("--precision")
{
    DefaultValueFactory = _ => ["fp32"],
    Description = "Precisions of the model, measured in turn.",
    AllowMultipleArgumentsPerToken = true
};
var clips = new Option<string[]>("--clips")
{
    DefaultValueFactory = _ => ["20/5/5"],
    Description = "Clips as WINDOW/STRIDE/LOOKAHEAD.",
    AllowMultipleArgumentsPerToken = true
};
var size = new Option<int[]>("--size")
{
    DefaultValueFactory = _ => [512, 320],
    Description = "Width and height of the pictures.",
    Arity = new ArgumentArity(2, 2),
    AllowMultipleArgumentsPerToken = true
};
var segmented = new Option<int>("--segmented")
{ DefaultValueFactory = _ => 3, Description = "Frames the segmenter sees in each round." };
var objects = new Option<int>("--objects")
{
    DefaultValueFactory = _ => 10,
    Description = "Masks made and published of every frame."
};
var stages = new Command("stages", "Milliseconds a frame of every step, and their share of the segmenter.")
    { model, precisions, threads, clips, size, segmented, rounds, objects };
stages.SetAction(async (parsed, _) =>
{
    var parts = parsed.GetRequiredValue(clips).Select(text =>
        Array.ConvertAll(text.Split('/'), side => int.Parse(side, CultureInfo.InvariantCulture)));
    var runs = parts.Select(part => new RefinerOptions { Window = part[0], Stride = part[1], Lookahead = part[2] })
        .ToArray();
    var (sides, count) = (parsed.GetRequiredValue(size), parsed.GetRequiredValue(segmented));
    foreach (var t in parsed.GetRequiredValue(threads))
        await Stages.RunAsync(parsed.GetRequiredValue(model), parsed.GetRequiredValue(precisions),
            new RuntimeOptions { Threads = t }, runs, (sides[0], sides[1]), count, parsed.GetRequiredValue(rounds),
                parsed.GetRequiredValue(objects));
});
var others = new Option<string[]>("--precision")
{
    DefaultValueFactory = _ => ["int8"],
    Description = "Precisions to compare with fp32.",
    AllowMultipleArgumentsPerToken = true
};
var clipVideos = new Argument<string[]>("videos")
{ Description = "Videos that calibration has not seen.", Arity = ArgumentArity.OneOrMore };
var step =
    new Option<int>("--step") { DefaultValueFactory = _ => 10, Description = "Every so-manieth frame is compared." };
var compared =
    new Option<int>("--frames") { DefaultValueFactory = _ => 20, Description = "Frames compared of each video." };
var write = new Option<bool>("--write") { Description = "Enter the figures in the manifest (quality.precision)." };
var loss = new Command("precision", "What a precision loses against fp32, over the objects that fp32 is sure of.")
    { model, others, step, compared, write, clipVideos };
loss.SetAction((parsed, _) => PrecisionLoss.RunAsync(
    parsed.GetRequiredValue(model), parsed.GetRequiredValue(others), new RuntimeOptions(),
        parsed.GetRequiredValue(clipVideos), parsed.GetRequiredValue(step),
    parsed.GetRequiredValue(compared), parsed.GetValue(write)));
var videoCount = new Option<int>("--videos") { DefaultValueFactory = _ => 10, Description = "Videos." };
var clipLength = new Option<int>("--frames") { DefaultValueFactory = _ => 300, Description = "Frames of each." };
var evaluation =
    new Command("evaluation", "Writes, reads and scores results as large as those of OVIS.") { videoCount, clipLength };
evaluation.SetAction(parsed =>
    EvaluationScale.Run(parsed.GetRequiredValue(videoCount), parsed.GetRequiredValue(clipLength)));
var lengths = new Option<int[]>("--frames")
{
    DefaultValueFactory = _ => [100, 400, 1000],
    Description = "Lengths of the videos, one evaluation each.",
    AllowMultipleArgumentsPerToken = true
};
var offline = new Command("offline",
    "Resident memory of an offline evaluation, by the length of the video; takes 13 MB of disk (TMPDIR) a frame at "
    + "864x480.") { model, size, lengths };
offline.SetAction(async (parsed, _) =>
{
    var sides = parsed.GetRequiredValue(size);
    using var memory = new OfflineMemory(parsed.GetRequiredValue(model), sides[0], sides[1]);
    foreach (var count in parsed.GetRequiredValue(lengths)) await memory.RunAsync(count);
});
var sceneRounds =
    new Option<int>("--rounds") { DefaultValueFactory = _ => 15, Description = "Measurements of each kind." };
var scenes = new Command("scenes",
    "What a panoptic and a semantic frame cost after the graphs, and how near the live rule is to the official one.")
    { sceneRounds };
scenes.SetAction(parsed =>
{
    using var costs = new SceneCosts();
    costs.Run(parsed.GetRequiredValue(sceneRounds));
});
var past = new Option<int>("--clips") { DefaultValueFactory = _ => 128, Description = "Clips in memory." };
var slots = new Option<int>("--slots") { DefaultValueFactory = _ => 100, Description = "Video queries." };
var channels = new Option<int>("--channels") { DefaultValueFactory = _ => 256, Description = "Hidden size." };
var reads = new Option<int>("--rounds") { DefaultValueFactory = _ => 200, Description = "Calls of each kind." };
var prototypes = new Command("prototypes", "Milliseconds per clip of GenVIS's memory, and its bytes per camera.")
    { past, slots, channels, reads };
prototypes.SetAction(parsed => MemoryRead.Run(
    parsed.GetRequiredValue(past), parsed.GetRequiredValue(slots), parsed.GetRequiredValue(channels),
    parsed.GetRequiredValue(reads)));
var folders = new Option<string[]>("--model")
{
    DefaultValueFactory = _ => ["Models/shapes"],
    Description = "Model folders of any method, measured in turn.",
    AllowMultipleArgumentsPerToken = true
};
var followed = new Option<int>("--frames") { DefaultValueFactory = _ => 100, Description = "Frames of the file." };
var methods = new Command("methods", "Milliseconds per frame of each model's method behind its segmenter.")
    { folders, file, followed, rounds, clip };
methods.SetAction((parsed, _) =>
{
    var lengths = parsed.GetRequiredValue(clip);
    return MethodCosts.RunAsync(parsed.GetRequiredValue(folders), parsed.GetRequiredValue(file),
        parsed.GetRequiredValue(followed), parsed.GetRequiredValue(rounds),
        new RefinerOptions { Window = lengths[0], Stride = lengths[1], Lookahead = lengths[2] });
});
var watching = new Option<int[]>("--viewers")
{
    DefaultValueFactory = _ => [1, 10],
    Description = "Counts of viewers, measured in turn.",
    AllowMultipleArgumentsPerToken = true
};
var viewers = new Command("viewers",
    "Processor time of the daemon while so many viewers have the view of one rendered camera open.")
    { model, size, watching, seconds, rounds };
viewers.SetAction(async (parsed, _) =>
{
    var sides = parsed.GetRequiredValue(size);
    await using var run = new Viewers(parsed.GetRequiredValue(model), (sides[0], sides[1]));
    await run.RunAsync(parsed.GetRequiredValue(watching), TimeSpan.FromSeconds(parsed.GetRequiredValue(seconds)),
        parsed.GetRequiredValue(rounds));
});
var minutes = new Option<double>("--minutes") { DefaultValueFactory = _ => 60, Description = "Length." };
var churn =
    new Option<double>("--churn") { DefaultValueFactory = _ => 30, Description = "Seconds between two disturbances." };
var rtspServer = new Option<string>("--rtsp-server")
{
    DefaultValueFactory = _ => "../shared/tools/rtsp_server.py",
    Description = "Python script that serves files: SCRIPT --port PORT --auth USER:PASSWORD FILE..."
};
var output =
    new Option<string>("--out") { DefaultValueFactory = _ => ".", Description = "Folder for soak.csv and soak.svg." };
var soak = new Command("soak",
    "The daemon with eight cameras for an hour while cameras, decoders, network and broker come and go; exit code 1 "
    + "when anything grew.") { model, minutes, churn, rtspServer, output };
soak.SetAction(async (parsed, _) =>
{
    await using var run = new Soak(parsed.GetRequiredValue(model), parsed.GetRequiredValue(rtspServer));
    return await run.RunAsync(parsed.GetRequiredValue(minutes), TimeSpan.FromSeconds(parsed.GetRequiredValue(churn)),
        parsed.GetRequiredValue(output));
});
return await new RootCommand("Measurements of Dvis.Streaming; docs/internal/measurements.md says how they are taken.")
    { throughput, memory, quality, transcript, stages, loss, evaluation, offline, scenes, prototypes,
        methods, FuzzCommand.Create(), MutateCommand.Create(),
        viewers, soak }
    .Parse(args).InvokeAsync();
