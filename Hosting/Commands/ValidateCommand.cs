using System.CommandLine;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary>Command <c>dvis validate</c>: prints all errors of a configuration, or its execution provider.</summary>
internal static class ValidateCommand
{
    public static Command Create()
    {
        var config = new ConfigArguments();
        var effective = new Option<bool>("--print-effective")
        { Description = "Prints the options in force after includes, environment and defaults; secrets masked." };
        var probe = new Option<bool>("--probe") { Description = "Opens every camera for one frame, too." };
        var command = config.AddTo(new Command("validate", "Checks a configuration without running it."));
        command.Options.Add(effective);
        command.Options.Add(probe);
        command.SetAction(async (parsed, cancel) =>
        {
            var loaded = config.Load(parsed);
            if (parsed.GetValue(effective)) await Console.Out.WriteAsync(EffectiveConfig.Write(loaded));
            else
            {
                await Console.Out.WriteLineAsync($"{loaded.File}: valid, {loaded.Options.Cameras.Count} camera(s)");
                var choice = ExecutionProviders.Choose(loaded.Options.Runtime);
                var skipped = choice.Skipped is { } why ? $": {why}" : "";
                var version = OrtRuntime.Version;
                await Console.Out.WriteLineAsync($"inference runs on {choice.Name}, ONNX Runtime {version}{skipped}");
            }

            return !parsed.GetValue(probe) || await ProbeAsync(loaded.Options, cancel) ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    private static async Task<bool> ProbeAsync(StreamingOptions options, CancellationToken cancel)
    {
        var good = 0;
        await Parallel.ForEachAsync(options.Cameras,
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancel }, async (camera, token) =>
        {
            if (await ProbeCommand.ProbeAsync(camera.Key, camera.Value.Source, token))
                Interlocked.Increment(ref good);
        });
        return good == options.Cameras.Count;
    }
}
