using System.CommandLine;
using System.Text.Json;
using Dvis.Streaming.Evaluation.Models;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation;

/// <summary>Commands <c>dvis models inspect</c> (prints a model) and <c>dvis models verify</c> (tests it).</summary>
public static class ModelsCommand
{
    // Of files; the answer has 20 lines.
    private const int ShownProblems = 4;

    private static readonly string[] s_precisions = [ModelManifest.AutoPrecision, "fp32", "fp16", "int8"];

    public static Command Create() => new("models", "Inspects and verifies model folders.") { Inspect(), Verify() };

    private static Command Inspect()
    {
        var folder = Folder();
        var all = new Option<bool>("--all")
        { Description = "Prints every file with its tensors, and every number of quality, too." };
        var command = new Command("inspect", "Prints what a model is, in 20 lines.") { folder, all };
        command.SetAction(parsed =>
        {
            var model = ModelFolder.Open(parsed.GetValue(folder)!);
            foreach (var line in parsed.GetValue(all) ? DescribeAll(model) : Describe(model))
                Console.Out.WriteLine(line);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Verify()
    {
        var folder = Folder();
        var precision = new Option<string>("--precision")
        {
            Description = "Which of the model's files: fp32, fp16, int8, or auto: those that a run takes by default.",
            DefaultValueFactory = _ => ModelManifest.AutoPrecision,
        };
        var tolerance = new Option<double?>("--tolerance")
        { Description = "Largest deviation from the reference answers, as a share of a tensor's scale." };
        precision.AcceptOnlyFromAmong(s_precisions);
        tolerance.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => !EvalCommand.IsNumber(t.Value, n => n > 0)))
                result.AddError("--tolerance needs a number above 0");
        });
        var command = new Command("verify", "Checks files, shapes and answers of a model on this machine.")
            { folder, precision, tolerance };
        command.SetAction(parsed =>
            VerifyFolder(ModelFolder.Open(parsed.GetValue(folder)!), parsed.GetValue(precision)!,
                parsed.GetValue(tolerance), new RuntimeOptions()));
        return command;
    }

    private static Argument<string> Folder() => new("folder") { Description = "Model folder with manifest.json." };

    private static IEnumerable<string> DescribeManifest(ModelFolder folder)
    {
        var m = folder.Manifest;
        var input = m.Input;
        var classes = string.Join(", ", m.Classes.Select(c => c.Kind == "thing" ? c.Name : $"{c.Name} (stuff)"));
        var steps = m.HasRefinerSteps ? ", and whole videos of any length" : "";
        var hasAnswers = File.Exists(Path.Combine(folder.Path, "reference.json"));
        yield return $"{m.Name} {m.Version}, task {EnumName.Of(m.Task)}";
        yield return m.Memory is { } memory
            ? $"  method    {m.Method.Name}, clips of {m.Clip}, memory of {memory.Clips} "
                + $"({EnumName.Of(memory.Policy)}), scored by {EnumName.Of(m.Method.Scoring)}"
            : $"  method    {m.Method.Name}";
        yield return m.Domain == ModelDomain.Rendered
            ? "  domain    rendered: trained on scenes that a program has drawn, not for real cameras"
            : "  domain    real";
        yield return $"  score     detections from {m.MinScore} on, tracks start from {m.StartScore}";
        yield return $"  precision {m.Precision}, where none is chosen";
        yield return $"  classes   {m.ClassCount}: {classes}";
        yield return $"  sizes     {m.Queries} queries, hidden size {m.HiddenSize}, {m.MaskChannels} mask channels, "
            + $"a mask cell is {m.MaskStride}x{m.MaskStride} input pixels";
        yield return $"  matching  {EnumName.Of(m.Matching)}";
        yield return $"  input     shorter side {input.ShorterSide}, at most {input.LargestSide}, padded to multiples "
            + $"of {input.Divisor}, {input.ChannelOrder}, mean {string.Join(' ', input.Mean)}, "
            + $"std {string.Join(' ', input.Std)}";
        yield return m.RefinerMaxWindow is { } window
            ? $"  refiner   windows of up to {window} frames{steps}"
            : m.Revises ? "  refiner   none: a clip's last run is its final answer"
            : "  refiner   none: mode online only";
        yield return $"  licence   {m.License}";
        yield return $"  weights   {m.WeightsFrom}";
        yield return hasAnswers
            ? "  answers   reference.json, for dvis models verify"
            : "  answers   none: dvis models verify can only check files and shapes";
    }

    private static IEnumerable<string> Describe(ModelFolder folder)
    {
        foreach (var line in DescribeManifest(folder)) yield return line;
        var files = folder.Manifest.Files.Where(g => g.Value.Count > 0).ToList();
        var graphs = files.Select(g => $"{g.Key} ({string.Join(", ", g.Value.Keys)})");
        yield return $"  graphs    {string.Join(", ", graphs)}";
        var problems = files.SelectMany(g => g.Value.Keys.Select(precision => Problem(folder, g.Key, precision)))
            .OfType<string>().ToList();
        foreach (var problem in problems.Take(ShownProblems)) yield return problem;
        if (problems.Count > ShownProblems) yield return $"and {problems.Count - ShownProblems} more, see --all";
        yield return "files, tensors and measured quality: --all";
    }

    private static IEnumerable<string> DescribeAll(ModelFolder folder)
    {
        var m = folder.Manifest;
        foreach (var line in DescribeManifest(folder)) yield return line;
        foreach (var (graph, files) in m.Files)
        {
            if (files.Count == 0) yield return $"{graph}: none";
            foreach (var (precision, file) in files)
                foreach (var line in Describe(folder, graph, precision, file)) yield return line;
        }

        foreach (var line in Numbers("quality", m.Quality)) yield return line;
    }

    private static IEnumerable<string> Describe(ModelFolder folder, string graph, string precision, ModelFile file)
    {
        if (Problem(folder, graph, precision) is { } problem)
        {
            yield return problem;
            yield break;
        }

        var path = Path.Combine(folder.Path, file.Path);
        var onnx = OnnxFile.Read(path);
        yield return $"{graph} {precision}: {file.Path}, {new FileInfo(path).Length / 1e6:F1} MB, "
            + $"{onnx.Parameters:N0} parameters, sha256 {file.Sha256[..12]}… as in the manifest";
        foreach (var spec in onnx.Inputs) yield return $"  in   {spec}";
        foreach (var spec in onnx.Outputs) yield return $"  out  {spec}";
    }

    /// <summary>Line about a file that is missing or not as in the manifest; null: none.</summary>
    private static string? Problem(ModelFolder folder, string graph, string precision)
    {
        try
        {
            OnnxFile.Read(folder.File(graph, precision));
            return null;
        }
        catch (ModelException e)
        {
            return $"{graph} {precision}: {e.Message}";
        }
    }

    private static int VerifyFolder(ModelFolder folder, string choice, double? tolerance, RuntimeOptions runtime)
    {
        var (precision, isChosen) = (folder.Manifest.Resolve(choice), choice != ModelManifest.AutoPrecision);
        if (!folder.Manifest.Precisions.Contains(precision))
        {
            var chosenBy = isChosen ? "--precision" : "precision of the manifest";
            Console.Error.WriteLine($"dvis: {chosenBy}: {folder.Path} has no {precision} file of any graph, only "
                + string.Join(", ", folder.Manifest.Precisions));
            return isChosen ? ExitCode.Usage : ExitCode.Failed;
        }

        var (checks, passed) = (new List<GraphCheck>(), true);
        foreach (var check in ModelVerification.Run(folder, precision, tolerance, runtime))
        {
            checks.Add(check);
            passed &= check.Passes;
            var unanswered = check is { Problem: null, Deviations: null } ? "; no reference answers" : "";
            var found = check.Problem ?? "file and shapes fit the manifest";
            Console.Out.WriteLine($"{check.Graph} ({check.Precision}): {found}{unanswered}");
            foreach (var d in check.Deviations ?? [])
                Console.Out.WriteLine(
                    $"  {d.Tensor,-16} off by {d.Largest:0.0e+00} at a scale of {d.Scale:0.###}, {Verdict(d)}");
        }

        Deviation[] deviations = [.. checks.SelectMany(c => c.Deviations ?? [])];
        var unjudged = deviations.Count(d => d.Allowed is null);
        var reported = unjudged == 0 ? ""
            : $", {unjudged} of them only reported: {precision} has a measured quality, not a bound (--tolerance sets "
                + "one)";
        var answers = deviations.Length == 0
            ? "files and shapes only: the folder has no reference answers"
            : $"{deviations.Length} outputs against their reference answers{reported}";
        Console.Out.WriteLine($"{folder.Manifest.Name} {folder.Manifest.Version} in {precision}: "
            + $"{(passed ? "passed" : "FAILED")}, {checks.Count} graphs, {answers}");
        return passed ? ExitCode.Ok : ExitCode.Failed;
    }

    private static string Verdict(Deviation d) => d.Allowed is { } share
        ? $"allowed {share * d.Scale:0.0e+00}: {(d.Passes ? "ok" : "FAILED")}"
        : d.Passes ? "only reported" : "FAILED: no number";

    /// <summary>Numbers of the free-form object with their paths, one per line.</summary>
    private static IEnumerable<string> Numbers(string path, JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().SelectMany(p => Numbers($"{path}.{p.Name}", p.Value)),
        JsonValueKind.Array => json.EnumerateArray().Index().SelectMany(p => Numbers($"{path}[{p.Index}]", p.Item)),
        JsonValueKind.Undefined => [],
        _ => [$"{path}: {json}"],
    };
}
