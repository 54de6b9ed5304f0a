using System.CommandLine;
using System.Runtime.CompilerServices;
using Dvis.Streaming.Evaluation;
using Dvis.Streaming.Hosting.Commands;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Hosting;

/// <summary>
/// Command line: <c>dvis run | validate | probe | models | eval</c>. The way to the frames of a camera:
/// <code>
/// Program ─▶ RunCommand ─▶ PipelineService ─▶ CameraFleet ─▶ Camera ─▶ StreamPipeline
/// </code>
/// <see cref="Composition.StreamingHost"/> composes the host that the command starts; the host starts the service.
/// </summary>
internal static class Program
{
    // Time for the last lines to be read; a reader that does not read must not delay the end.
    private static readonly TimeSpan s_lastLines = TimeSpan.FromSeconds(1);

    public static async Task<int> Main(string[] args)
    {
        NativeHeap.Limit();
        var runs = args is ["run", ..];
        using var signals = runs ? new StopSignals() : null;
        // Neither the service nor an evaluation of hours may wait or fail for its messages; what a command prints may.
        Console.SetError(new OutputWriter(LineOutput.Error));
        if (runs) Console.SetOut(new OutputWriter(LineOutput.Out));
        var code = await RunAsync(args, runs, signals?.Asked ?? default);
        await Console.Error.FlushAsync();
        LineOutput.Error.Flush(s_lastLines);
        if (runs) LineOutput.Out.Flush(s_lastLines);
        return code;
    }

    private static async Task<int> RunAsync(string[] args, bool runs, CancellationToken stop)
    {
        // The daemon does not load the evaluators.
        var (parsed, problems) = Parse(CreateCommand(withEvaluators: !runs), args);
        if (parsed is null || problems.Length > 0)
            return await FailAsync(ExitCode.Usage, [.. problems, "'dvis --help' lists commands and options"]);

        try
        {
            OpenFiles.Require();
            // A run drains before it ends.
            return await parsed.InvokeAsync(
                new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop);
        }
        catch (ConfigException e)
        {
            foreach (var error in e.Errors) await Console.Error.WriteLineAsync(error.ToString());
            var errors = e.Errors.Count == 1 ? "error" : "errors";
            return await FailAsync(ExitCode.Usage, $"{e.Errors.Count} {errors} in the configuration");
        }
        catch (Exception e) when (e is CommandException or ModelException)
        {
            return await FailAsync((e as CommandException)?.ExitCode ?? ExitCode.Failed, Redaction.Urls(e.Message));
        }
        catch (Exception e) when (!runs && e is IOException or UnauthorizedAccessException)
        {
            // An output that is closed is reported as an access that is denied.
            return await FailAsync(ExitCode.Failed, $"reading or writing failed: {e.Message}");
        }
    }

    private static (ParseResult? Parsed, string[] Problems) Parse(RootCommand command, string[] args)
    {
        try
        {
            var parsed = command.Parse(args);
            return (parsed, [.. parsed.Errors.Select(e => e.Message)]);
        }
        catch (InvalidOperationException e)
        {
            // Of a validator that reads an option whose arguments are wrong, such as one that was given twice.
            return (null, [e.Message]);
        }
    }

    public static RootCommand CreateCommand(bool withEvaluators = true)
    {
        var command =
            new RootCommand("Segments, tracks and refines live video, and publishes tracks with masks over MQTT.")
            {
                RunCommand.Create(), ValidateCommand.Create(), ProbeCommand.Create(),
            };
        if (withEvaluators) AddEvaluators(command);
        return command;
    }

    // Apart, because the assembly is loaded where a method that uses it is compiled.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddEvaluators(RootCommand command)
    {
        command.Add(ModelsCommand.Create());
        command.Add(EvalCommand.Create(ShippedFiles.Find("Models/default", Environment.CurrentDirectory)));
    }

    private static async Task<int> FailAsync(int code, params string[] problems)
    {
        foreach (var problem in problems) await Console.Error.WriteLineAsync($"dvis: {problem}");
        return code;
    }
}
