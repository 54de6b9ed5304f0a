using System.Text.Json;
using System.Text.RegularExpressions;
using Dvis.Streaming.Hosting.Telemetry;

namespace Dvis.Streaming.Pipeline.Tests.Golden;

/// <summary>
/// Merged shape of many JSON documents: for each path the types and words that occurred, and whether the key may be
/// missing. Ids, times, hashes, ports and all numbers are replaced by what they are.
/// </summary>
internal sealed partial class JsonShape
{
    // A path with more different texts than this carries free text.
    private const int MaxWords = 12;

    private readonly SortedDictionary<string, Values> _paths = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _objects = [];

    /// <summary>
    /// One line per path, sorted: <c>tracks[].label: "car", "person"</c>; a key that may be missing ends in <c>?</c>.
    /// </summary>
    public IEnumerable<string> Lines =>
        _paths.Select(p => $"{p.Key}{(p.Value.Count < _objects[p.Value.Parent] ? "?" : "")}: {p.Value.Text}");

    public void Add(JsonElement document) => AddValue("", "", document);

    /// <summary>A text with everything that differs from run to run replaced.</summary>
    public static string Normalise(string text)
    {
        if (text == BuildInfo.Version) return "<version>";
        text = Ulid().Replace(text, "<ulid>");
        text = TrackNumber().Replace(text, "<ulid>-$1<n>");
        text = Time().Replace(text, "<time>");
        text = Hash().Replace(text, "<hash>");
        return Port().Replace(text, "127.0.0.1:<port>");
    }

    private void AddValue(string path, string parent, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            _objects[path] = _objects.GetValueOrDefault(path) + 1;
            foreach (var member in value.EnumerateObject())
                AddValue(path.Length == 0 ? member.Name : $"{path}.{member.Name}", path, member.Value);
            if (path.Length > 0) Of(path, parent).Add("object");
            return;
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            Of(path, parent).Add(path.EndsWith("hash", StringComparison.Ordinal) ? "\"<hash>\"" : TypeOf(value));
            return;
        }

        Of(path, parent).Add("array");
        var items = path + "[]";
        foreach (var item in value.EnumerateArray())
        {
            // Items are not keys: an empty array leaves none of them out.
            if (item.ValueKind == JsonValueKind.Object) AddValue(items, items, item);
            else Of(items, items).Add(item.ValueKind == JsonValueKind.Array ? "array" : TypeOf(item));
        }
    }

    private Values Of(string path, string parent)
    {
        _objects.TryAdd(parent, 0);
        if (!_paths.TryGetValue(path, out var values)) _paths[path] = values = new(parent);
        return values;
    }

    private static string TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => "number",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        JsonValueKind.Null => "null",
        // Protobuf's JSON writes integers of 64 bits as text.
        _ when Integer().IsMatch(value.GetString()!) => "number as text",
        _ => $"\"{Normalise(value.GetString()!)}\"",
    };

    [GeneratedRegex("[0-9A-HJKMNP-TV-Z]{26}")]
    private static partial Regex Ulid();

    [GeneratedRegex("<ulid>-(e?)[0-9]+")]
    private static partial Regex TrackNumber();

    [GeneratedRegex(@"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")]
    private static partial Regex Time();

    [GeneratedRegex(@"\b[0-9a-f]{12,64}\b")]
    private static partial Regex Hash();

    [GeneratedRegex(@"127\.0\.0\.1:\d+")]
    private static partial Regex Port();

    [GeneratedRegex(@"^-?\d+$")]
    private static partial Regex Integer();

    /// <param name="parent">Path of the object that has the key.</param>
    private sealed class Values(string parent)
    {
        private readonly SortedSet<string> _words = new(StringComparer.Ordinal);

        public string Parent => parent;

        public int Count { get; private set; }

        public string Text => _words.Count > MaxWords ? "text" : string.Join(", ", _words);

        public void Add(string word)
        {
            Count++;
            _words.Add(word);
        }
    }
}
