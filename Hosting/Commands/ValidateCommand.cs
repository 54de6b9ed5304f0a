using System.CommandLine;
using Dvis.Streaming.Hosting.Configuration;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary><c>dvis validate</c>: says everything that is wrong with a configuration, or that it is fine.</summary>
internal static class ValidateCommand
{
    public static Command Create()
    {
        var config = new ConfigArguments();
        var effective = new Option<bool>("--print-effective") { Description = "Prints what holds after includes, environment and defaults; secrets masked." };
        var command = config.AddTo(new Command("validate", "Checks a configuration without running it."));
        command.Options.Add(effective);
        command.SetAction(async (parsed, cancel) =>
        {
            var loaded = config.Load(parsed);
            if (parsed.GetValue(effective)) await Console.Out.WriteAsync(EffectiveConfig.Write(loaded));
            else await Console.Out.WriteLineAsync($"{loaded.File}: valid, {loaded.Options.Cameras.Count} camera(s)");
            return ExitCode.Ok;
        });
        return command;
    }
}
