using System.Text.Json;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Names of keys: the property <c>MaxMessageBytes</c> is <c>max_message_bytes</c> in the file.</summary>
internal static class KeyPath
{
    public static string Join(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";

    public static string Snake(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    /// <summary><c>; did you mean 'x'?</c> when one of <paramref name="known"/> is close, else nothing.</summary>
    public static string DidYouMean(string found, IEnumerable<string> known)
    {
        var best = known.Select(k => (Key: k, Distance: EditDistance(found, k))).OrderBy(x => x.Distance)
            .ThenBy(x => x.Key, StringComparer.Ordinal).FirstOrDefault();
        return best.Key is not null && best.Distance <= Math.Max(1, found.Length / 3)
            ? $"; did you mean '{best.Key}'?"
            : "";
    }

    /// <summary>Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).</summary>
    private static int EditDistance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = a[i - 1] == b[j - 1] ? 0 : 1;
                d[i, j] = Math.Min(Math.Min(d[i - 1, j] + 1, d[i, j - 1] + 1), d[i - 1, j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }

        return d[a.Length, b.Length];
    }
}
