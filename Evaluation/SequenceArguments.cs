using System.CommandLine;
using System.CommandLine.Parsing;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Sequences;

namespace Dvis.Streaming.Evaluation;

/// <summary>Options of <c>dvis eval --davis</c>, which runs the service's pipeline over annotated sequences.</summary>
/// <param name="classes">File of right classes; null: those that are shipped.</param>
internal sealed class SequenceArguments(ModelArguments model, Option<string?> classes, string defaultModel)
{
    private readonly Option<string?> _sequences = new("--sequences") { Description = "With --davis: only these, A,B." };

    /// <summary>Null: something else is evaluated.</summary>
    public Option<string?> Folder { get; } = new("--davis")
    {
        Description = "Runs the service's pipeline over the sequences of this folder, JPEGImages/NAME/FRAME.jpg and "
            + "Annotations/NAME/FRAME.png, and scores provisional and final results.",
    };

    public Command AddTo(Command command)
    {
        command.Options.Add(Folder);
        command.Options.Add(_sequences);
        return command;
    }

    /// <summary>Notes what does not go together; false when something else than sequences is evaluated.</summary>
    /// <param name="others">Options of other evaluations, beside those of the model.</param>
    public bool Check(CommandResult result, IReadOnlyList<Option> others)
    {
        var asked = result.GetValue(Folder) is not null;
        var wrong = asked ? "does not go with --davis" : "goes with --davis only";
        foreach (var option in asked ? [.. others, .. model.OfDataSets] : new Option[] { _sequences })
            if (result.GetResult(option) is { Implicit: false }) result.AddError($"{option.Name} {wrong}");
        return asked;
    }

    /// <exception cref="EvaluationException">
    /// A folder or a file does not exist, a line of the file is wrong, or the mode is not the service's.
    /// </exception>
    public SequenceRequest Read(ParseResult parsed)
    {
        var folder = parsed.GetValue(Folder)!;
        var data = new DavisFolder(folder);
        foreach (var needed in (string[])[folder, data.Images, data.Annotations])
            if (!Directory.Exists(needed)) throw EvalCommand.Wrong($"--davis: the folder '{needed}' does not exist");
        var path = parsed.GetValue(model.Model) ?? defaultModel;
        return new SequenceRequest(
            path, model.Precision(parsed), model.ServiceMode(parsed, path),
            model.Runtime(parsed), data, Names(parsed, data), Classes(parsed), model.Ffmpeg(parsed));
    }

    private IReadOnlyList<string> Names(ParseResult parsed, DavisFolder data)
    {
        if (parsed.GetValue(_sequences) is not { } asked)
        {
            return data.Sequences() is { Count: > 0 } all
                ? all
                : throw EvalCommand.Wrong($"--davis: '{data.Images}' has no sequence in it");
        }

        const StringSplitOptions words = StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries;
        return asked.Split(',', words) is { Length: > 0 } names
            ? [.. names.Distinct()]
            : throw EvalCommand.Wrong("--sequences names no sequence");
    }

    private RightClasses Classes(ParseResult parsed)
    {
        if (parsed.GetValue(classes) is not { } file) return RightClasses.Shipped();
        try
        {
            using var lines = File.OpenText(file);
            var read = RightClasses.Parse(file, lines, out var errors);
            return errors.Count == 0 ? read : throw EvalCommand.Wrong(string.Join('\n', errors));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw EvalCommand.Wrong($"--classes: '{file}' cannot be read: {e.Message}");
        }
    }
}
