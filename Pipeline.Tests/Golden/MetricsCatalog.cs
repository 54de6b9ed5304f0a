using System.Text.RegularExpressions;

namespace Dvis.Streaming.Pipeline.Tests.Golden;

/// <summary>
/// A metrics page as lines without values, sorted by name: per family its type and help, the buckets of a histogram,
/// and the labels of its series. Of the metrics of the runtime, which come and go with what has happened in the
/// process, the names of the labels alone.
/// </summary>
internal static partial class MetricsCatalog
{
    /// <exception cref="Xunit.Sdk.XunitException">
    /// A family has two headers, a sample no family, or two samples the same labels.
    /// </exception>
    public static IReadOnlyList<string> Of(string page)
    {
        var families = new SortedDictionary<string, Family>(StringComparer.Ordinal);
        var helps = new Dictionary<string, string>();
        var samples = new HashSet<string>();
        Family? current = null;
        foreach (var line in page.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                var words = line.Split(' ', 4);
                Assert.True(helps.TryAdd(words[2], words[3]), $"a second HELP of {words[2]}");
            }
            else if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                var words = line.Split(' ');
                current = new(words[3]);
                Assert.True(families.TryAdd(words[2], current), $"a second TYPE of {words[2]}");
            }
            else if (line[0] != '#')
            {
                var series = line[..line.LastIndexOf(' ')];
                Assert.True(samples.Add(series), $"twice: {series}");
                Assert.NotNull(current);
                var name = families.Single(f => f.Value == current).Key;
                Assert.True(Belongs(name, current, series), $"not of its family: {series}");
                current.Add(series);
            }
        }

        return [.. families.SelectMany(f => f.Value.Lines(f.Key, helps.GetValueOrDefault(f.Key)))];
    }

    private static bool Belongs(string name, Family family, string series)
    {
        var sample = series.Split('{')[0];
        return family.Type == "histogram" ? Part().Replace(sample, "") == name : sample == name;
    }

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Part();

    [GeneratedRegex("""(\w+)="((?:[^"\\]|\\.)*)"[,}]""")]
    private static partial Regex Label();

    private sealed class Family(string type)
    {
        private readonly SortedSet<string> _series = new(StringComparer.Ordinal), _keys = new(StringComparer.Ordinal);
        private readonly List<string> _buckets = [];

        public string Type => type;

        public void Add(string series)
        {
            var labels = Label().Matches(series)
                .Select(m => (Key: m.Groups[1].Value, Value: m.Groups[2].Value))
                .OrderBy(l => l.Key, StringComparer.Ordinal).ToList();
            foreach (var (_, bound) in labels.Where(l => l.Key == "le"))
                if (!_buckets.Contains(bound)) _buckets.Add(bound);
            labels.RemoveAll(l => l.Key == "le");
            _keys.UnionWith(labels.Select(l => l.Key));
            _series.Add(string.Join(' ', labels.Select(l => $"{l.Key}=\"{Value(l.Key, l.Value)}\"")));
        }

        public IEnumerable<string> Lines(string name, string? help)
        {
            yield return $"{name} {Type}: {help}";
            if (_buckets.Count > 0) yield return $"    le {string.Join(' ', _buckets)}";
            if (!name.StartsWith("dvis_", StringComparison.Ordinal))
            {
                if (_keys.Count > 0) yield return $"    {string.Join(' ', _keys)}";
                yield break;
            }

            foreach (var series in _series.Where(s => s.Length > 0)) yield return $"    {series}";
        }

        // What differs from build to build is named only.
        private static string Value(string key, string value) =>
            key is "version" or "commit" or "sha" ? $"<{key}>" : value;
    }
}
