using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Evaluation;

/// <summary>
/// Command <c>dvis eval</c>: scores results, a model, or the service against a data set with the official metrics.
/// </summary>
public static class EvalCommand
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <param name="defaultModel">Model folder of <c>--davis</c> without <c>--model</c>.</param>
    public static Command Create(string defaultModel)
    {
        var results = new Option<string?>("--results")
        {
            Description =
                "Scores these: a YouTube-VIS results file; a folder with pred.json and pan_pred (VIPSeg); or a folder "
                + "VIDEO/FRAME.png of semantic maps (VSPW)."
        };
        var truth = new Option<string?>("--truth", "--data")
        {
            Description = "The data set: a YouTube-VIS or OVIS file; a folder with panoptic_gt*.json, or that file; "
                + "or a folder VIDEO/mask/FRAME.png.",
        };
        var classes = new Option<string?>("--classes")
        {
            Description = "With --results: how many classes semantic maps have, default 124. "
                + "With --davis: a file of right classes, a line NAME CLASS[,CLASS] per sequence.",
        };
        var first = new Option<int>("--first-label")
        {
            Description = "What the truth's semantic maps call the first class; smaller labels and 255 are void.",
            DefaultValueFactory = _ => 1
        };
        var agnostic = new Option<bool>("--class-agnostic")
        { Description = "Instances are scored as of one class: a detection is right whatever its class." };
        var against = new Option<string?>("--against")
        {
            Description = "With --results of YouTube-VIS: other results, to which the difference is given with its "
                + "95 % interval (paired bootstrap over the videos).",
        };
        var json = new Option<string?>("--json") { Description = "Writes the numbers into this file, too." };
        var model = new ModelArguments();
        first.Validators.Add(result => Between(result, "--first-label", 0, 254));
        var sequences = new SequenceArguments(model, classes, defaultModel);
        const string does = "Scores results, a model run over a data set, or what the service publishes of sequences.";
        var command = model.AddTo(sequences.AddTo(
            new Command("eval", does) { results, against, truth, classes, first, agnostic, json }));
        command.Validators.Add(result =>
        {
            if (sequences.Check(result, [results, against, truth, first, agnostic])) return;
            if (result.GetValue(truth) is null) result.AddError("Option '--truth' is required, or '--davis'.");
            if (result.GetValue(results) is null == result.GetValue(model.Model) is null)
                result.AddError("eval needs either --results or --model, or --davis");
            if (result.GetValue(against) is not null && result.GetValue(results) is null)
                result.AddError("Option '--against' needs '--results'.");
            if (result.GetResult(classes) is { } given) Between(given, "--classes", 1, 255);
        });
        command.SetAction((parsed, cancel) => CheckedAsync(() =>
        {
            var numbers = parsed.GetValue(json);
            if (parsed.GetValue(sequences.Folder) is not null) return RunAsync(sequences.Read(parsed), numbers, cancel);
            var (data, firstLabel) = (parsed.GetValue(truth)!, parsed.GetValue(first));
            if (!Path.Exists(data))
                throw Wrong($"{parsed.GetResult(truth)!.IdentifierToken!.Value}: '{data}' does not exist");
            if (parsed.GetValue(results) is not { } scored)
                return RunAsync(model.Read(parsed, data, firstLabel, parsed.GetValue(agnostic)), numbers, cancel);
            var count = int.Parse(parsed.GetValue(classes) ?? "124", CultureInfo.InvariantCulture);
            return ScoreAsync(scored, parsed.GetValue(against), data, count, firstLabel, parsed.GetValue(agnostic),
                numbers, cancel);
        }));
        return command;
    }

    private static async Task<int> CheckedAsync(Func<Task<int>> evaluate)
    {
        try
        {
            return await evaluate();
        }
        catch (EvaluationException e)
        {
            foreach (var line in e.Message.Split('\n')) await Console.Error.WriteLineAsync($"dvis: {line}");
            return e.IsUsage ? ExitCode.Usage : ExitCode.Failed;
        }
    }

    private static async Task<int> RunAsync(SequenceRequest request, string? json, CancellationToken cancel)
    {
        var terminal = !Console.IsErrorRedirected;
        var outcome = await SequenceEvaluation.RunAsync(request, Console.Error, terminal, TimeProvider.System, cancel);
        if (json is not null) await WriteAsync(json, SequenceText.Json(outcome), cancel);
        foreach (var line in SequenceText.Table(request, outcome)) await Console.Out.WriteLineAsync(line);
        foreach (var failure in outcome.Failures) await Console.Error.WriteLineAsync($"dvis: {failure}");
        return outcome.Failures.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    private static async Task<int> RunAsync(EvaluationRequest request, string? json, CancellationToken cancel)
    {
        if (!Directory.Exists(request.Images))
            throw Wrong($"--images: the folder '{request.Images}' does not exist");
        var code = ExitCode.Ok;
        await ModelEvaluation.RunAsync(request, Console.Error, !Console.IsErrorRedirected, TimeProvider.System,
            async outcome =>
        {
            if (outcome.Stopped)
            {
                await Console.Error.WriteLineAsync(
                    $"dvis: stopped after {outcome.Videos} of {outcome.AllVideos} videos; nothing was scored");
                code = ExitCode.Failed;
                return;
            }

            // The file first: it stays when standard output cannot be written.
            if (json is not null) await WriteAsync(json, EvaluationText.Json(request, outcome), cancel);
            foreach (var line in EvaluationText.Table(request, outcome)) await Console.Out.WriteLineAsync(line);
        }, cancel);
        return code;
    }

    private static async Task<int> ScoreAsync(string results, string? against, string truth, int classes, int first,
        bool agnostic, string? json, CancellationToken cancel)
    {
        if (!Path.Exists(results)) throw Wrong($"--results: '{results}' does not exist");
        if (against is not null && !File.Exists(against))
            throw Wrong($"--against: the file '{against}' does not exist");
        if (Directory.Exists(results) && agnostic) throw Wrong("--class-agnostic is for instances only");
        if (Directory.Exists(results) && against is not null) throw Wrong("--against is for instances only");
        var (table, numbers) = !Directory.Exists(results) ? Instances(results, against, truth, agnostic, cancel)
            : File.Exists(Path.Combine(results, "pred.json")) ? Panoptic(results, truth, cancel)
            : Semantic(results, truth, classes, first, cancel);
        if (json is not null) await WriteAsync(json, numbers, cancel);
        foreach (var line in table) await Console.Out.WriteLineAsync(line);
        return ExitCode.Ok;
    }

    private static (IEnumerable<string> Table, JsonObject Json) Instances(string results, string? against,
        string truth, bool agnostic, CancellationToken cancel)
    {
        using var wanted = YtvisTruth.Open(truth);
        if (!wanted.HasAnnotations)
            throw new EvaluationException(
                $"{truth}: there are no annotations to score against; the evaluation server has them.");
        var (precision, identity) = Score(results, wanted, agnostic, cancel);
        var (report, tracks) = (precision.Report(), identity.Report());
        var (table, json) = (EvaluationText.Table(report), EvaluationText.Json(report));
        table = [.. table, "", EvaluationText.Line(tracks)];
        json["identity"] = EvaluationText.Json(tracks);
        if (against is null) return (table, json);
        var lead = PairedBootstrap.Compare(precision, Score(against, wanted, agnostic, cancel).Precision);
        json["lead"] = EvaluationText.Json(lead);
        return ([.. table, $"{results} against {against}: {EvaluationText.Line(lead)}"], json);
    }

    private static (VideoPrecision Precision, IdentityFigures Identity) Score(string results, YtvisTruth wanted,
        bool agnostic, CancellationToken cancel)
    {
        using var found = YtvisResults.Open(results, wanted);
        var (precision, identity) = (new VideoPrecision(wanted.Categories, agnostic), new IdentityFigures());
        foreach (var video in wanted.Videos)
        {
            cancel.ThrowIfCancellationRequested();
            var (objects, predictions) = (wanted.Objects(video), found.Of(video));
            precision.Add(video, objects, predictions);
            identity.Add(objects, predictions);
        }

        return (precision, identity);
    }

    private static (IEnumerable<string> Table, JsonObject Json) Panoptic(string results, string truth,
        CancellationToken cancel)
    {
        using var wanted = VipsegTruth.Open(truth);
        using var found = VipsegResults.Open(results, wanted);
        var quality = new PanopticQuality(wanted.Categories);
        foreach (var video in wanted.Videos)
        {
            quality.BeginVideo(video.Id);
            foreach (var (truthFrame, frame) in wanted.Frames(video).Zip(found.Frames(video)))
            {
                cancel.ThrowIfCancellationRequested();
                quality.Add(truthFrame, frame);
            }
        }

        var report = quality.Report();
        return (EvaluationText.Table(report), EvaluationText.Json(report));
    }

    private static (IEnumerable<string> Table, JsonObject Json) Semantic(string results, string truth, int classes,
        int first, CancellationToken cancel)
    {
        var (wanted, found) = (new SemanticFolder(truth), new SemanticFolder(results));
        var quality = new SemanticQuality(classes, first);

        // A truth folder holds all splits; the results say which videos are meant.
        foreach (var video in found.Videos)
        {
            quality.BeginVideo();
            foreach (var frame in wanted.Frames(video) is { Count: > 0 } frames
                ? frames
                : throw new EvaluationException($"{truth}: found no maps of the video '{video}', which {results} has."))
            {
                cancel.ThrowIfCancellationRequested();
                quality.Add(wanted.Map(video, frame), found.Map(video, frame), $"{video}/{frame}");
            }
        }

        var report = quality.Report();
        return (EvaluationText.Table(report), EvaluationText.Json(report));
    }

    private static async Task WriteAsync(string path, JsonObject numbers, CancellationToken cancel)
    {
        try
        {
            await File.WriteAllTextAsync(path, numbers.ToJsonString(s_indented) + "\n", cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EvaluationException($"--json: {path} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Exception for arguments that are wrong as they stand.</summary>
    internal static EvaluationException Wrong(string problem) => new(problem) { IsUsage = true };

    internal static bool IsNumber(string text, Func<double, bool> isWithin) =>
        double.TryParse(text, CultureInfo.InvariantCulture, out var n) && double.IsFinite(n) && isWithin(n);

    internal static void Between(System.CommandLine.Parsing.OptionResult result, string name, int from, int to)
    {
        if (result.Tokens.Count > 0 && !(int.TryParse(result.Tokens[0].Value, out var value) && value >= from
            && value <= to)) result.AddError($"{name} needs an integer from {from} to {to}");
    }
}
