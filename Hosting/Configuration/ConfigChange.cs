using System.Collections;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Difference between the configuration in force and the next one.</summary>
/// <param name="Fixed">Changed keys that need a restart.</param>
/// <param name="Added">Names of cameras, as in the two below.</param>
/// <param name="Changed">Cameras with a different option, inherited or of their own.</param>
internal sealed record ConfigChange(
    IReadOnlyList<string> Fixed, IReadOnlyList<string> Added, IReadOnlyList<string> Changed,
    IReadOnlyList<string> Removed)
{
    private const string TokenKey = "http.token";

    // Cameras are added and removed; the defaults count where cameras inherit them, and the file does not matter.
    private static readonly string[] s_reloadable = ["cameras", "defaults", "include"];

    /// <summary>True when the token of HTTP clients differs.</summary>
    public bool Token { get; private init; }

    public bool IsEmpty => !Token && Fixed.Count + Added.Count + Changed.Count + Removed.Count == 0;

    public static ConfigChange Between(StreamingOptions old, StreamingOptions next) => new(
        [
            .. OptionProperty.Of(typeof(StreamingOptions)).Where(o => !s_reloadable.Contains(o.Key))
                .SelectMany(o => Diff(o.Get(old), o.Get(next), o.Key)).Where(k => k != TokenKey),
        ],
        [.. next.Cameras.Keys.Where(name => !old.Cameras.ContainsKey(name))],
        [
            .. next.Cameras.Where(c => old.Cameras.TryGetValue(c.Key, out var before) && Diff(before, c.Value).Any())
                .Select(c => c.Key),
        ],
        [.. old.Cameras.Keys.Where(name => !next.Cameras.ContainsKey(name))])
    { Token = old.Http.Token != next.Http.Token };

    /// <summary>Text for the log: <c>added b; changed a; removed c</c>.</summary>
    public override string ToString()
    {
        (string Verb, IReadOnlyList<string> Names)[] parts =
            [("added", Added), ("changed", Changed), ("removed", Removed), ("replaced", Token ? [TokenKey] : [])];
        return string.Join("; ", parts.Where(p => p.Names.Count > 0)
            .Select(p => $"{p.Verb} {string.Join(", ", p.Names)}"));
    }

    /// <summary>Keys whose values differ; a section that only one side has is one key.</summary>
    private static IEnumerable<string> Diff(object? a, object? b, string path = "")
    {
        if (a is IDictionary before && b is IDictionary after)
        {
            foreach (var name in before.Keys.Cast<string>().Union(after.Keys.Cast<string>()))
                foreach (var key in Diff(before[name], after[name], KeyPath.Join(path, name))) yield return key;
            yield break;
        }

        if (a is null || b is null || !OptionProperty.IsSection(a.GetType()))
        {
            if (!Same(a, b)) yield return path;
            yield break;
        }

        foreach (var option in OptionProperty.Of(a.GetType()))
            foreach (var key in Diff(option.Get(a), option.Get(b), KeyPath.Join(path, option.Key))) yield return key;
    }

    private static bool Same(object? a, object? b) => StructuralComparisons.StructuralEqualityComparer.Equals(a, b);
}
