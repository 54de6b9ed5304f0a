namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Compares options by value.</summary>
internal static class OptionDiff
{
    /// <summary>Keys whose values differ, in the order of <c>config.yaml</c>; a section that only one side has is one key. Values are not told: they may be secrets.</summary>
    public static IEnumerable<string> Keys(object? a, object? b, string path = "")
    {
        if (a is null || b is null || !OptionProperty.IsSection(a.GetType()))
        {
            if (!Same(a, b)) yield return path;
            yield break;
        }

        foreach (var option in OptionProperty.Of(a.GetType()))
            foreach (var key in Keys(option.Get(a), option.Get(b), KeyPath.Join(path, option.Key))) yield return key;
    }

    private static bool Same(object? a, object? b) => a is Array x && b is Array y ? x.Cast<object>().SequenceEqual(y.Cast<object>()) : Equals(a, b);
}
