using System.CommandLine;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary>The command line: <c>dvis run | validate | probe | eval | models</c>.</summary>
internal static class DvisCommand
{
    public static RootCommand Create() => new("Segments, tracks and refines live video, and publishes tracks with masks over MQTT.")
    {
        RunCommand.Create(), ValidateCommand.Create(), ProbeCommand.Create(), EvalCommand.Create(), ModelsCommand.Create(),
    };

    public static async Task<int> InvokeAsync(string[] args)
    {
        var parsed = Create().Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors) await Console.Error.WriteLineAsync($"dvis: {error.Message}");
            await Console.Error.WriteLineAsync("dvis: 'dvis --help' lists commands and options");
            return ExitCode.Usage;
        }

        try
        {
            // Signals are the host's: it drains before it ends.
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (ConfigException e)
        {
            foreach (var error in e.Errors) await Console.Error.WriteLineAsync(error.ToString());
            await Console.Error.WriteLineAsync($"dvis: {e.Errors.Count} {(e.Errors.Count == 1 ? "error" : "errors")} in the configuration");
            return ExitCode.Usage;
        }
        catch (UsageException e)
        {
            foreach (var problem in e.Problems) await Console.Error.WriteLineAsync($"dvis: {problem}");
            return ExitCode.Usage;
        }
        catch (Exception e) when (e is StartupException or ModelException)
        {
            await Console.Error.WriteLineAsync($"dvis: {Redaction.Urls(e.Message)}");
            return ExitCode.Failed;
        }
    }
}
