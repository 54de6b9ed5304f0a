using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// One object of the manifest with its key path. A wrong value is added to the problems as "key: found, expected", and
/// reading continues with a dummy.
/// </summary>
internal readonly struct ManifestNode(JsonElement json, string path, List<string> problems)
{
    public bool Has(string key) => Find(key) is not null;

    public string Text(string key)
        => String(key) is { } text && !string.IsNullOrWhiteSpace(text) ? text : Wrong(key, "text", "");

    public string OneOf(string key, params string[] allowed)
        => String(key) is { } text && allowed.Contains(text) ? text : Wrong(key, string.Join(" or ", allowed), "");

    /// <param name="allowed">Empty: all members.</param>
    public T OneOf<T>(string key, params T[] allowed) where T : struct, Enum
    {
        string[] names = [.. (allowed.Length > 0 ? allowed : Enum.GetValues<T>()).Select(EnumName.Of)];
        return OneOf(key, names) is { Length: > 0 } name ? EnumName.Parse<T>(name) : default;
    }

    public string Matching(string key, Regex pattern, string expected)
        => String(key) is { } text && pattern.IsMatch(text) ? text : Wrong(key, expected, "");

    public int Integer(string key, int min, int max)
        => Find(key) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out var number)
            && number >= min && number <= max
            ? number
            : Wrong(key, $"an integer from {min} to {max}", min);

    public double Number(string key, double min, double max)
        => Find(key) is { ValueKind: JsonValueKind.Number } value && value.TryGetDouble(out var number)
            && number >= min && number <= max
            ? number
            : Wrong(key, string.Create(CultureInfo.InvariantCulture, $"a number from {min} to {max}"), min);

    public float[] ThreeNumbers(string key, float min)
    {
        return Find(key) is { ValueKind: JsonValueKind.Array } value && value.GetArrayLength() == 3
            && value.EnumerateArray().All(IsNumber)
            ? [.. value.EnumerateArray().Select(v => v.GetSingle())]
            : Wrong(key, min > 0 ? "three positive numbers" : "three numbers", new float[3]);

        bool IsNumber(JsonElement value) => value.ValueKind == JsonValueKind.Number
            && value.TryGetSingle(out var number) && float.IsFinite(number) && number >= min;
    }

    public ManifestNode Object(string key)
        => Find(key) is { ValueKind: JsonValueKind.Object } value
            ? new ManifestNode(value, Path(key), problems)
            // One problem is enough for a missing object: those of its keys go to a list that is not read.
            : new ManifestNode(default, Path(key), Wrong(key, "an object", new List<string>()));

    public IEnumerable<ManifestNode> Items(string key)
    {
        if (Find(key) is not { ValueKind: JsonValueKind.Array } value || value.GetArrayLength() == 0)
            return Wrong<IEnumerable<ManifestNode>>(key, "a list with at least one entry", []);
        var (at, all) = (Path(key), problems);
        return [.. value.EnumerateArray().Select((item, i) =>
            new ManifestNode(item, string.Create(CultureInfo.InvariantCulture, $"{at}[{i}]"), all))];
    }

    public IEnumerable<KeyValuePair<string, ManifestNode>> Properties()
    {
        if (json.ValueKind != JsonValueKind.Object) return [];
        var (at, all) = (path, problems);
        return [.. json.EnumerateObject()
            .Select(p => KeyValuePair.Create(p.Name, new ManifestNode(p.Value, $"{at}.{p.Name}", all)))];
    }

    /// <summary>A copy that outlives the document; an empty object when absent.</summary>
    public JsonElement Raw(string key) => Find(key)?.Clone() ?? JsonElement.Parse("{}");

    private JsonElement? Find(string key) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(key, out var value) ? value : null;

    private string? String(string key)
        => Find(key) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    private string Path(string key) => path.Length == 0 ? key : $"{path}.{key}";

    private T Wrong<T>(string key, string expected, T dummy)
    {
        var found = Find(key) is { } value ? value.GetRawText() : "missing";
        problems.Add($"{Path(key)}: {(found.Length > 60 ? found[..60] + "…" : found)}, expected {expected}");
        return dummy;
    }
}
