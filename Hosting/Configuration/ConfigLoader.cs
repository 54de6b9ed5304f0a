using System.Collections;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Loader: parse, include, substitute, override, inherit, bind, check; all errors are collected.</summary>
internal sealed class ConfigLoader(IDictionary environment, IReadOnlyList<Override> arguments)
{
    private const int MaxIncludes = 256;

    private ConfigErrors _errors = new();

    /// <summary>Files of the last load, also when it failed.</summary>
    public ConfigFiles Files { get; private set; } = new("");

    /// <exception cref="ConfigException">Has all errors.</exception>
    public LoadedConfig Load(string file)
    {
        var full = Path.GetFullPath(file);
        (_errors, Files) = (new ConfigErrors(), new ConfigFiles(full));
        var folder = Path.GetDirectoryName(full)!;
        var secrets = new SecretFiles(folder, Variable, _errors);
        var substitution = new Substitution(Variable, secrets, _errors);

        var root = Read(full, file, substitution);
        if (root.Entries.Count == 0) _errors.ThrowIfAny();
        foreach (var overriding in Override.FromEnvironment(environment).Concat(arguments))
            root = overriding.ApplyTo(root, _errors);
        foreach (var (path, shown) in Includes(root, folder, file))
            root = Include(root, Read(path, shown, substitution), "");
        if (root.Find("defaults")?.Value is YamlMapping defaults) root = Inherit(root, defaults);

        var options = new StreamingOptions();
        var binder = new StrictBinder(folder, secrets, _errors);
        binder.BindSection(options, root, "");
        binder.ResolvePaths(options);
        new ConfigChecks(options, binder.Marks, Files.Paths, _errors).Run();
        _errors.ThrowIfAny();
        return new LoadedConfig(options, full, [.. secrets.Values]) { Loader = this };
    }

    private string? Variable(string name) => (string?)environment[name];

    private YamlMapping Read(string path, string shown, Substitution substitution)
    {
        Files.Reading(path);
        try
        {
            // The size is checked before reading, so that no device or huge file is read.
            if (new FileInfo(path) is { Exists: true, Length: > 4L * YamlReader.MaxCharacters } huge)
                _errors.Add(new Mark(shown), "",
                    $"found {huge.Length} bytes, expected at most {YamlReader.MaxCharacters} characters");
            else if (YamlReader.Read(SmallFile.ReadText(path, 4 * YamlReader.MaxCharacters), shown, _errors)
                is { } node)
            {
                var root = substitution.Apply(node is YamlMapping all ? WithoutExtensions(all) : node);
                if (root is YamlMapping map) return map;
                if (root is not YamlScalar { IsNull: true })
                    _errors.Add(root.Mark, "", $"found {root.Kind}, expected a section with keys");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _errors.Add(new Mark(shown), "", $"cannot be read: {e.Message}");
        }

        return new YamlMapping(new Mark(shown, 1, 1), []);
    }

    // Keys that begin with x- are free for anchors.
    private static YamlMapping WithoutExtensions(YamlMapping root) =>
        new(root.Mark, [.. root.Entries.Where(e => !e.Key.StartsWith("x-", StringComparison.Ordinal))]);

    private IEnumerable<(string Path, string Shown)> Includes(YamlMapping root, string folder, string file)
    {
        if (root.Find("include")?.Value is not YamlSequence patterns) yield break;
        var shownFolder = Path.GetDirectoryName(file) ?? "";
        var count = 0;
        foreach (var pattern in patterns.Items.OfType<YamlScalar>())
        {
            var (directory, name) = (Path.GetDirectoryName(pattern.Value) ?? "", Path.GetFileName(pattern.Value));
            var full = Path.GetFullPath(directory, folder);
            var hasWildcard = name.AsSpan().ContainsAny('*', '?');
            var found = Files.Include(full, name);
            if (found.Length == 0 && !hasWildcard)
                _errors.Add(pattern.Mark, "include",
                    $"the file '{pattern.Value}' {SmallFile.Fault(Path.Combine(full, name))}");
            foreach (var path in found)
            {
                if (++count > MaxIncludes)
                {
                    _errors.Add(pattern.Mark, "include", $"found more than {MaxIncludes} files");
                    yield break;
                }

                yield return (path, Path.Combine(shownFolder, directory, Path.GetFileName(path)));
            }
        }
    }

    /// <summary>Adds the keys of an included file; a key that is already set is an error.</summary>
    private YamlMapping Include(YamlMapping into, YamlMapping file, string path)
    {
        foreach (var entry in file.Entries)
        {
            var key = KeyPath.Join(path, entry.Key);
            var mine = into.Find(entry.Key);
            if (key == "include") _errors.Add(entry.KeyMark, key, "an included file cannot include others");
            else if (mine is null) into = new YamlMapping(into.Mark, [.. into.Entries, entry]);
            else if (mine.Value is YamlMapping a && entry.Value is YamlMapping b)
                into = into.With(entry.Key, Include(a, b, key));
            else if (mine.Value is YamlScalar { IsNull: true, Inline: false } && entry.Value is YamlMapping)
                into = into.With(entry.Key, entry.Value);
            else if (key != "version" && mine.Value is not YamlScalar { Inline: true })
                _errors.Add(entry.KeyMark, key, $"already set at {mine.KeyMark}");
        }

        return into;
    }

    private static YamlMapping Inherit(YamlMapping root, YamlMapping defaults)
    {
        if (root.Find("cameras")?.Value is not YamlMapping cameras) return root;
        var known = OptionProperty.Of(typeof(CameraDefaults)).Select(o => o.Key).ToHashSet();
        var inherited = new YamlMapping(defaults.Mark, [.. defaults.Entries.Where(e => known.Contains(e.Key))]);
        foreach (var camera in cameras.Entries)
            if (camera.Value is YamlMapping map) cameras = cameras.With(camera.Key, map.Over(inherited));
        return root.With("cameras", cameras);
    }
}

/// <summary>A configuration that passed every check.</summary>
/// <param name="File">Full path.</param>
/// <param name="Secrets">Texts that must never be printed.</param>
internal sealed record LoadedConfig(StreamingOptions Options, string File, IReadOnlyCollection<string> Secrets)
{
    /// <summary>Loader with the environment and the arguments of this run.</summary>
    public ConfigLoader Loader { get; init; } = new(new Hashtable(), []);
}
