using System.Collections;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Value of a key from outside the file, with its origin.</summary>
internal sealed record Override(IReadOnlyList<string> Path, string Value, Mark Mark)
{
    private const string Prefix = "DVIS__";

    /// <summary>Variables such as <c>DVIS__MQTT__SERVERS__0</c>: paths with double underscores.</summary>
    public static IEnumerable<Override> FromEnvironment(IDictionary environment) => environment.Keys.Cast<string>()
        .Where(k => k.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal)
        .Select(k => new Override(
            k[Prefix.Length..].ToLowerInvariant().Split("__"), (string?)environment[k] ?? "", new Mark(k)));

    /// <summary>Argument such as <c>--set cameras.front.rate.max_fps=5</c>; null when there is no <c>=</c>.</summary>
    public static Override? FromArgument(string argument)
    {
        var at = argument.IndexOf('=');
        return at <= 0
            ? null
            : new Override(argument[..at].Split('.'), argument[(at + 1)..], new Mark($"--set {argument[..at]}"));
    }

    public YamlMapping ApplyTo(YamlMapping root, ConfigErrors errors) => (YamlMapping)Set(root, 0, errors);

    private YamlNode Set(YamlNode? node, int depth, ConfigErrors errors)
    {
        if (depth == Path.Count) return new YamlScalar(Mark, Value, Plain: true, Inline: true);
        var segment = Path[depth];
        var isIndex = int.TryParse(segment, out var index) && index >= 0;
        if (isIndex && node is not YamlMapping { Entries.Count: > 0 } && depth > 0)
        {
            var items = (node as YamlSequence)?.Items.ToList() ?? [];
            if (index > items.Count)
                errors.Add(Mark, string.Join('.', Path),
                    $"found index {index}, expected at most {items.Count}: the list has {items.Count} entries");
            else if (index == items.Count) items.Add(Set(null, depth + 1, errors));
            else items[index] = Set(items[index], depth + 1, errors);
            return new YamlSequence(node?.Mark ?? Mark, items);
        }

        var map = node as YamlMapping ?? new YamlMapping(Mark, []);
        var key = map.Entries.FirstOrDefault(e => Same(e.Key, segment))?.Key ?? segment;
        return map.With(key, Set(map.Find(key)?.Value, depth + 1, errors));
    }

    /// <summary>Equality of keys; in a variable's name <c>front_door</c> is also <c>front-door</c>.</summary>
    private static bool Same(string key, string segment) =>
        string.Equals(key, segment, StringComparison.Ordinal)
        || string.Equals(key.Replace('-', '_'), segment, StringComparison.OrdinalIgnoreCase);
}
