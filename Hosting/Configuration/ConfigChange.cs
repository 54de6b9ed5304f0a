namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>What lies between the configuration that holds and the next one.</summary>
/// <param name="Fixed">Keys that changed and can only change by a restart.</param>
/// <param name="Added">Names of cameras, as in the two below.</param>
/// <param name="Changed">Anything of theirs, inherited or their own.</param>
internal sealed record ConfigChange(IReadOnlyList<string> Fixed, IReadOnlyList<string> Added, IReadOnlyList<string> Changed, IReadOnlyList<string> Removed)
{
    private const string TokenKey = "http.token";

    /// <summary>From now on another token is asked for.</summary>
    public bool Token { get; private init; }

    // Cameras come and go; what they inherit counts where it arrives, and which file said it does not matter.
    private static readonly string[] Reloadable = ["cameras", "defaults", "include"];

    public bool IsEmpty => !Token && Fixed.Count + Added.Count + Changed.Count + Removed.Count == 0;

    public static ConfigChange Between(StreamingOptions old, StreamingOptions next) => new(
        [.. OptionProperty.Of(typeof(StreamingOptions)).Where(o => !Reloadable.Contains(o.Key)).SelectMany(o => OptionDiff.Keys(o.Get(old), o.Get(next), o.Key)).Where(k => k != TokenKey)],
        [.. next.Cameras.Keys.Where(name => !old.Cameras.ContainsKey(name))],
        [.. next.Cameras.Where(c => old.Cameras.TryGetValue(c.Key, out var before) && OptionDiff.Keys(before, c.Value).Any()).Select(c => c.Key)],
        [.. old.Cameras.Keys.Where(name => !next.Cameras.ContainsKey(name))])
    { Token = old.Http.Token != next.Http.Token };

    /// <summary>For a person: <c>added b; changed a; removed c</c>.</summary>
    public override string ToString() => string.Join("; ", Told("added", Added).Concat(Told("changed", Changed)).Concat(Told("removed", Removed)).Concat(Told("replaced", Token ? [TokenKey] : [])));

    private static IEnumerable<string> Told(string verb, IReadOnlyList<string> names) => names.Count == 0 ? [] : [$"{verb} {string.Join(", ", names)}"];
}
