using System.CommandLine;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;

namespace Dvis.Streaming.Evaluation;

/// <summary>The options of <c>dvis eval</c> that run a model. Names and defaults are those of the configuration,
/// but for the threads: nothing else runs here.</summary>
internal sealed class ModelArguments
{
    private static readonly RefinerOptions s_refiner = new();

    private readonly Option<string?> _images = new("--images")
    {
        Description =
            "Folder of the pictures; default: images beside the data set. Names are the data set's; of panoptic and "
            + "semantic maps VIDEO/FRAME.jpg or .png."
    };
    private readonly Option<string[]> _modes = new("--mode")
    {
        Description =
            $"May be given several times, and costs one run of the segmenter all the same: {EvaluationMode.Expected}.",
        DefaultValueFactory = _ => ["online"],
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<int> _topK = new("--top-k")
    { Description = "Instances a video: 20 for OVIS, 10 for YouTube-VIS.", DefaultValueFactory = _ => 20 };
    private readonly Option<double?> _objectScore = new("--object-score")
    { Description = "Panoptic: class score above which a query competes for pixels; default: the model's, else 0.8." };
    private readonly Option<double?> _overlap = new("--overlap")
    { Description = "Panoptic: share of its mask that a segment must keep; default: the model's, else 0.8." };
    private readonly Option<bool> _half = new("--half")
    {
        Description = "Stores mask features as float16: half the disk space, for long videos; single pixels change.",
    };
    private readonly Option<string?> _out =
        new("--out") { Description = "Folder for results as the evaluation servers take them." };
    private readonly Option<int?> _videos =
        new("--videos") { Description = "Only so many videos, the first; default: all." };
    private readonly Option<string> _precision = new("--precision")
    { Description = "fp32, fp16, int8, or auto: the model's own.", DefaultValueFactory = _ => "auto" };
    private readonly Option<string[]> _provider = new("--provider")
    {
        Description = "tensorrt, cuda, cpu: the first that works.",
        DefaultValueFactory = _ => ["cpu"],
        AllowMultipleArgumentsPerToken = true
    };
    private readonly Option<int> _threads =
        new("--threads") { Description = "Of one graph run; 0: all cores.", DefaultValueFactory = _ => 0 };
    private readonly Option<int> _device = new("--device") { Description = "Number of the GPU." };
    private readonly Option<string> _ffmpeg =
        new("--ffmpeg") { Description = "Decoder: a path, or a name in PATH.", DefaultValueFactory = _ => "ffmpeg" };

    public ModelArguments()
    {
        foreach (var share in (Option<double?>[])[_objectScore, _overlap])
            share.Validators.Add(result =>
            {
                if (result.Tokens.Any(t => !EvalCommand.IsNumber(t.Value, n => n is >= 0 and <= 1)))
                    result.AddError($"{share.Name} needs a number from 0 to 1");
            });
        _topK.Validators.Add(result => EvalCommand.Between(result, "--top-k", 1, 1000));
        _videos.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() < 1) result.AddError("--videos needs a number from 1");
        });
        _threads.Validators.Add(result => EvalCommand.Between(result, "--threads", 0, 256));
        _device.Validators.Add(result => EvalCommand.Between(result, "--device", 0, 63));
        _precision.AcceptOnlyFromAmong("auto", "fp32", "fp16", "int8");
        _provider.AcceptOnlyFromAmong("tensorrt", "cuda", "cpu");
        _modes.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
                if (Parse(token.Value, out var problem) is null) result.AddError($"--mode: {problem}");
        });
    }

    /// <summary>Model folder; null: no model is run, or with <c>--davis</c> the default one.</summary>
    public Option<string?> Model { get; } = new("--model")
    {
        Description = "Runs this model folder over the data set and scores it; with --davis default: Models/default.",
    };

    /// <summary>What is of no use where the service's pipeline runs.</summary>
    public IReadOnlyList<Option> OfDataSets => [_images, _topK, _out, _videos, _objectScore, _overlap, _half];

    public Command AddTo(Command command)
    {
        foreach (var option in (Option[])
            [
                Model, _images, _modes, _topK, _objectScore, _overlap, _half, _out, _videos, _precision, _provider,
                _threads, _device, _ffmpeg,
            ]) command.Options.Add(option);
        return command;
    }

    public EvaluationRequest Read(ParseResult parsed, string truth, int firstLabel, bool classAgnostic)
    {
        if (classAgnostic && parsed.GetValue(_out) is not null)
            throw EvalCommand.Wrong("--class-agnostic scores only: it does not go with --out");
        var beside = Directory.Exists(truth) ? truth : Path.GetDirectoryName(Path.GetFullPath(truth))!;
        return new EvaluationRequest(
            parsed.GetValue(Model)!, Precision(parsed), Runtime(parsed), truth,
            parsed.GetValue(_images) ?? Path.Combine(beside, "images"), Modes(parsed), parsed.GetValue(_topK),
            parsed.GetValue(_out), parsed.GetValue(_videos) ?? int.MaxValue, firstLabel, Ffmpeg(parsed),
            parsed.GetValue(_objectScore), parsed.GetValue(_overlap), classAgnostic, parsed.GetValue(_half));
    }

    public string Precision(ParseResult parsed) => parsed.GetValue(_precision)!;

    public string Ffmpeg(ParseResult parsed) => parsed.GetValue(_ffmpeg)!;

    public RuntimeOptions Runtime(ParseResult parsed) => new()
    {
        Provider = parsed.GetValue(_provider)!,
        Threads = parsed.GetValue(_threads),
        Device = parsed.GetValue(_device),
        Batch = new BatchOptions { Max = 1 },
    };

    /// <summary>The one mode in which the service is to run; without <c>--mode</c> that of the model.</summary>
    /// <exception cref="EvaluationException">Several modes, or one that the service does not have.</exception>
    /// <exception cref="ModelException">The model folder cannot be read.</exception>
    public EvaluationMode ServiceMode(ParseResult parsed, string model)
    {
        if (parsed.GetResult(_modes) is not { Implicit: false })
        {
            var own = ModelFolder.Open(model).Manifest.Resolve(ModelMode.Auto);
            return Parse(own == ModelMode.Online ? "online" : "semi-online", out _)!;
        }

        return Modes(parsed) is [{ Kind: ModeKind.Online or ModeKind.SemiOnline } mode]
            ? mode
            : throw EvalCommand.Wrong("--mode: --davis runs the service's pipeline in one mode: online, semi-online");
    }

    private EvaluationMode[] Modes(ParseResult parsed)
        => [.. parsed.GetValue(_modes)!.Select(mode => Parse(mode, out _)!).Distinct()];

    private static EvaluationMode? Parse(string text, out string problem)
    {
        try
        {
            problem = "";
            return EvaluationMode.Parse(text, new ClipLengths(s_refiner.Window, s_refiner.Stride, s_refiner.Lookahead));
        }
        catch (FormatException e)
        {
            problem = e.Message;
            return null;
        }
    }
}
