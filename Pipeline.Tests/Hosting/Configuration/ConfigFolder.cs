using System.Collections;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;

/// <summary>A folder with a configuration, a tiny model and an (empty) video; gone after the test.</summary>
internal sealed class ConfigFolder : IDisposable
{
    public const string Cameras = "cameras: { a: { file: a.mp4 } }\n";

    public ConfigFolder()
    {
        TinyDvis.Write(Path.Combine(Root, "Models/default"));
        Write("a.mp4", "");
    }

    public string Root { get; } = Directory.CreateTempSubdirectory("dvis-config-").FullName;

    public Hashtable Environment { get; } = [];

    public string Write(string name, string text)
    {
        var path = Path.Combine(Root, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    public LoadedConfig Load(string yaml, params string[] set)
    {
        var file = Write("config.yaml", yaml);
        return new ConfigLoader(Environment, [.. set.Select(s => Override.FromArgument(s)!)]).Load(file);
    }

    /// <summary>The errors as printed, with the folder taken out; empty when there are none.</summary>
    public string[] Errors(string yaml, params string[] set)
    {
        try
        {
            Load(yaml, set);
            return [];
        }
        catch (ConfigException e)
        {
            return [.. e.Errors.Select(x => x.ToString().Replace(Root + "/", "", StringComparison.Ordinal))];
        }
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
