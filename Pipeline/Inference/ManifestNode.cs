using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>One object of the manifest with its key path. What is wrong is noted as "key: found,
/// expected" and reading goes on with a dummy.</summary>
internal readonly struct ManifestNode(JsonElement json, string path, List<string> problems)
{
    public bool Has(string key) => Find(key) is not null;

    public string Text(string key)
    {
        if (Find(key) is not { ValueKind: JsonValueKind.String } value || string.IsNullOrWhiteSpace(value.GetString()))
            return Wrong(key, "text", "");
        return value.GetString()!;
    }

    public T OneOf<T>(string key) where T : struct, Enum
    {
        var names = EnumName.All(typeof(T));
        return Find(key) is { ValueKind: JsonValueKind.String } value && names.Contains(value.GetString())
            ? EnumName.Parse<T>(value.GetString()!)
            : Wrong(key, string.Join(" or ", names), default(T));
    }

    public string OneOf(string key, params string[] allowed)
        => Find(key) is { ValueKind: JsonValueKind.String } value && allowed.Contains(value.GetString())
            ? value.GetString()!
            : Wrong(key, string.Join(" or ", allowed), "");

    public string Matching(string key, Regex pattern, string expected)
        => Find(key) is { ValueKind: JsonValueKind.String } value && pattern.IsMatch(value.GetString()!)
            ? value.GetString()!
            : Wrong(key, expected, "");

    public int Integer(string key, int min, int max)
        => Find(key) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out var number) && number >= min
            && number <= max
            ? number
            : Wrong(key, $"an integer from {min} to {max}", min);

    public double Number(string key, double min, double max)
        => Find(key) is { ValueKind: JsonValueKind.Number } value && value.TryGetDouble(out var number) && number >= min
            && number <= max
            ? number
            : Wrong(key, string.Create(CultureInfo.InvariantCulture, $"a number from {min} to {max}"), min);

    public float[] ThreeNumbers(string key, float min)
    {
        if (Find(key) is { ValueKind: JsonValueKind.Array } value && value.GetArrayLength() == 3
            && value.EnumerateArray()
            .All(v => v.ValueKind == JsonValueKind.Number && v.TryGetSingle(out var number) && float.IsFinite(number)
                && number >= min))
            return [.. value.EnumerateArray().Select(v => v.GetSingle())];
        return Wrong(key, min > 0 ? "three positive numbers" : "three numbers", new float[3]);
    }

    public ManifestNode Object(string key)
    {
        if (Find(key) is { ValueKind: JsonValueKind.Object } value) return new ManifestNode(value, Path(key), problems);
        // One note is enough for an object that is not there: what would stand in it goes to a list nobody reads.
        return new ManifestNode(default, Path(key), Wrong(key, "an object", new List<string>()));
    }

    public IEnumerable<ManifestNode> Items(string key)
    {
        if (Find(key) is not { ValueKind: JsonValueKind.Array } value || value.GetArrayLength() == 0)
            return Wrong<IEnumerable<ManifestNode>>(key, "a list with at least one entry", []);
        var (at, notes) = (Path(key), problems);
        return [.. value.EnumerateArray().Select((item, i) =>
            new ManifestNode(item, string.Create(CultureInfo.InvariantCulture, $"{at}[{i}]"), notes))];
    }

    public IEnumerable<KeyValuePair<string, ManifestNode>> Properties()
    {
        if (json.ValueKind != JsonValueKind.Object) return [];
        var (at, notes) = (path, problems);
        return [.. json.EnumerateObject()
            .Select(p => KeyValuePair.Create(p.Name, new ManifestNode(p.Value, $"{at}.{p.Name}", notes)))];
    }

    /// <summary>A copy that outlives the document; an empty object when absent.</summary>
    public JsonElement Raw(string key) => Find(key)?.Clone() ?? JsonElement.Parse("{}");

    private JsonElement? Find(string key) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(key, out var value) ? value : null;

    private string Path(string key) => path.Length == 0 ? key : $"{path}.{key}";

    private T Wrong<T>(string key, string expected, T dummy)
    {
        var found = Find(key) is { } value ? value.GetRawText() : "missing";
        problems.Add($"{Path(key)}: {(found.Length > 60 ? found[..60] + "…" : found)}, expected {expected}");
        return dummy;
    }
}
