using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Reflection;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>
/// Binder of nodes to option objects. An unknown key, a value of another kind and a value outside its limits are
/// errors; all are collected. An option that is not mentioned keeps the default of its class.
/// </summary>
internal sealed class StrictBinder(string folder, SecretFiles secrets, ConfigErrors errors)
{
    private const string FileTwin = "_file";

    private static readonly Dictionary<string, string> s_removedKeys = new()
    {
        ["http.allow_remote"] =
            "found a key of former versions; expected http.token_file, which names a file with the token that others "
            + "must send",
        ["runtime.on_missing_provider"] =
            "found a key of former versions; expected runtime.provider with every acceptable provider in order of "
            + "preference, and runtime.require to stop rather than use a later one",
        ["runtime.library"] =
            "found a key of former versions; expected no key: ONNX Runtime comes with the program, for GPUs when it "
            + "is built with -p:Gpu=true",
    };

    /// <summary>Places of the keys that were mentioned, for checks over several keys.</summary>
    public Dictionary<string, Mark> Marks { get; } = [];

    public void BindSection(object section, YamlMapping map, string path)
    {
        Marks.TryAdd(path, map.Mark);
        var options = OptionProperty.Of(section.GetType());
        foreach (var entry in map.Entries)
        {
            var key = KeyPath.Join(path, entry.Key);
            Marks.TryAdd(key, entry.KeyMark);
            if (options.FirstOrDefault(o => o.Key == entry.Key) is { } option)
                BindOption(section, option, entry.Value, key);
            else if (options.FirstOrDefault(o => o.IsSecret && o.Key + FileTwin == entry.Key) is { } secret)
                BindFileTwin(section, secret, map, entry, key);
            else
                errors.Add(entry.KeyMark, key, s_removedKeys.GetValueOrDefault(key) ?? Unknown(entry.Key, options));
        }

        foreach (var missing in options.Where(o =>
            map.Find(o.Key) is null && o.Property.IsDefined(typeof(RequiredAttribute)) && o.Get(section) is null or ""))
            errors.Add(map.Mark, KeyPath.Join(path, missing.Key), "missing; expected a value");
    }

    private static string Unknown(string key, IReadOnlyList<OptionProperty> options)
    {
        var known = options.Select(o => o.Key).Concat(options.Where(o => o.IsSecret).Select(o => o.Key + FileTwin))
            .ToList();
        var hint = KeyPath.DidYouMean(key, known);
        return hint.Length > 0
            ? $"found an unknown key{hint}"
            : $"found an unknown key, expected one of {string.Join(", ", known)}";
    }

    private void BindFileTwin(object section, OptionProperty secret, YamlMapping map, YamlEntry entry, string key)
    {
        if (map.Find(secret.Key) is not null)
            errors.Add(entry.KeyMark, key, $"set together with {secret.Key}; expected only one of them");
        if (entry.Value is not YamlScalar file) Fail(entry.Value, key, "the name of a file");
        else if (!file.IsNull && secrets.Read(file.Value, file.Mark, key) is { } value) secret.Set(section, value);
    }

    private void BindOption(object section, OptionProperty option, YamlNode node, string path)
    {
        Marks[path] = node.Mark;
        if (OptionProperty.IsSection(option.Type))
        {
            if (node is YamlScalar { IsNull: true, Value: not "" } && AllowsNull(option)) return;
            if (AsMapping(node, path) is not { } map) return;
            if (option.Get(section) is null) option.Set(section, Activator.CreateInstance(option.Type));
            BindSection(option.Get(section)!, map, path);
        }
        else if (OptionProperty.MapElement(option.Type) is { } element)
        {
            if (AsMapping(node, path) is { } map) BindMap((IDictionary)option.Get(section)!, element, map, path);
        }
        else if (Value(option, node, path, out var value))
        {
            if (option.IsSecret && value is string secret) secrets.Remember(secret);
            var isSecretFile = option.IsPath && option.Key.EndsWith(FileTwin, StringComparison.Ordinal);
            var isNumber = value is int or long or double;
            if (option.Broken(value) is { } expected)
                errors.Add(node.Mark, path, $"found {Found(node, option.IsSecret, isNumber)}, {expected}");
            else if (isSecretFile && value is string { Length: > 0 } file)
                option.Set(section, SecretFile(section, option, file, node.Mark, path));
            else
                option.Set(section, value);
        }
    }

    /// <summary>Makes every relative path a full one, also in the defaults.</summary>
    public void ResolvePaths(StreamingOptions options)
    {
        foreach (var (_, section) in OptionProperty.Sections(options))
            foreach (var option in OptionProperty.Of(section.GetType()).Where(o => o.IsPath))
                if (option.Get(section) is string { Length: > 0 } file && file != "-")
                    option.Set(section, option.IsShipped
                        ? ShippedFiles.Find(file, folder)
                        : Path.GetFullPath(file, folder));
    }

    /// <summary>Full path of a file that its owner reads again when needed. A file with a secret is read here, too,
    /// so that its content is masked.</summary>
    private string SecretFile(object section, OptionProperty option, string file, Mark mark, string path)
    {
        if (secrets.Resolve(file, mark, path) is not { } found) return file;
        if (OptionProperty.Of(section.GetType()).Any(o => o.IsSecret && o.Key + FileTwin == option.Key))
            secrets.Read(found, mark, path);
        return found;
    }

    private static bool AllowsNull(OptionProperty option) =>
        new NullabilityInfoContext().Create(option.Property).WriteState != NullabilityState.NotNull;

    private void BindMap(IDictionary target, Type element, YamlMapping map, string path)
    {
        foreach (var entry in map.Entries)
        {
            var key = KeyPath.Join(path, entry.Key);
            Marks[key] = entry.KeyMark;
            if (AsMapping(entry.Value, key) is not { } inner) continue;
            var section = Activator.CreateInstance(element)!;
            BindSection(section, inner, key);
            target[entry.Key] = section;
        }
    }

    /// <returns>False when there is nothing to set: an error, or no value where none is needed.</returns>
    private bool Value(OptionProperty option, YamlNode node, string path, out object? value)
    {
        value = null;
        if (option.Type.IsArray) return List(option.Type, node, path, out value);
        if (node is not YamlScalar scalar) return Fail(node, path, "a single value");
        if (scalar.IsNull && (option.Type == typeof(string) || Nullable.GetUnderlyingType(option.Type) is not null))
            return AllowsNull(option) || Fail(node, path, "a value");
        var isSize = ScalarText.IsSize(option.Property);
        return ScalarText.TryParse(scalar.Value, option.Type, isSize, out value, out var expected)
            || Fail(node, path, expected, option.IsSecret);
    }

    private bool List(Type type, YamlNode node, string path, out object? value)
    {
        value = null;
        var element = type.GetElementType()!;
        if (node is YamlScalar { Inline: true } inline)
            node = YamlReader.Read(inline.Value, inline.Mark.Source, errors) ?? node;
        if (node is not YamlSequence list) return Fail(node, path, "a list such as [a, b]");
        var result = Array.CreateInstance(element, list.Items.Count);
        var fits = true;
        for (var i = 0; i < list.Items.Count; i++)
        {
            var at = $"{path}[{i}]";
            Marks[at] = list.Items[i].Mark;
            object? item = null;
            var expected = "a single value";
            if (element.IsArray)
            {
                fits &= List(element, list.Items[i], at, out item);
                result.SetValue(item, i);
                continue;
            }

            if (list.Items[i] is YamlScalar { IsNull: false } scalar
                && ScalarText.TryParse(scalar.Value, element, false, out item, out expected)) result.SetValue(item, i);
            else fits = Fail(list.Items[i], at, expected);
        }

        value = result;
        return fits;
    }

    private YamlMapping? AsMapping(YamlNode node, string path)
    {
        if (node is YamlScalar { Inline: true } inline)
            node = YamlReader.Read(inline.Value, inline.Mark.Source, errors) ?? node;
        if (node is YamlMapping map) return map;
        // A section whose lines are all comments is empty.
        if (node is YamlScalar { IsNull: true }) return new YamlMapping(node.Mark, []);
        Fail(node, path, "a section with keys");
        return null;
    }

    private bool Fail(YamlNode node, string path, string expected, bool secret = false)
    {
        errors.Add(node.Mark, path, $"found {Found(node, secret)}, expected {expected}");
        return false;
    }

    private static string Found(YamlNode node, bool secret, bool isNumber = false) => (node, secret, isNumber) switch
    {
        (_, true, _) => "a secret",
        (YamlScalar scalar, _, true) => scalar.Value,
        _ => Redaction.Urls(node.Kind),
    };
}
