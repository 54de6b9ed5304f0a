using System.CommandLine;
using Dvis.Streaming.Hosting.Configuration;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary>Options of every command that reads the configuration.</summary>
internal sealed class ConfigArguments
{
    private readonly Option<string> _file =
        new("--config", "-c") { Description = "Configuration file.", DefaultValueFactory = _ => "config.yaml" };
    private readonly Option<string[]> _set =
        new("--set") { Description = "Overrides one key, for example --set defaults.rate.max_fps=5." };

    public ConfigArguments()
    {
        _file.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0)) result.AddError("--config needs the name of a file");
        });
        _set.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(t => Override.FromArgument(t.Value) is null))
                result.AddError($"--set needs key=value, found '{Redaction.Urls(token.Value)}'");
        });
    }

    public Command AddTo(Command command)
    {
        command.Options.Add(_file);
        command.Options.Add(_set);
        return command;
    }

    /// <exception cref="ConfigException">The configuration has errors.</exception>
    public LoadedConfig Load(ParseResult parsed) =>
        new ConfigLoader(Environment.GetEnvironmentVariables(),
            [.. (parsed.GetValue(_set) ?? []).Select(s => Override.FromArgument(s)!)]).Load(parsed.GetValue(_file)!);
}
