using System.Globalization;
using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Golden;

/// <summary>
/// A checked-in text that a run must reproduce line by line. With the environment variable the run replaces it.
/// </summary>
internal static class GoldenFile
{
    private const string WriteVariable = "DVIS_GOLDEN_WRITE";
    private const int ShownLines = 30;

    /// <param name="name">File name in <c>Pipeline.Tests/Golden</c>.</param>
    /// <param name="lines">What the run gave.</param>
    public static async Task CheckAsync(string name, IReadOnlyList<string> lines)
    {
        var path = Repo.Path($"Pipeline.Tests/Golden/{name}");
        if (Environment.GetEnvironmentVariable(WriteVariable) is { Length: > 0 })
            await File.WriteAllTextAsync(path, string.Concat(lines.Select(line => line + "\n")));
        var expected = File.Exists(path) ? await File.ReadAllLinesAsync(path) : [];
        var changes = Changes(expected, lines);
        if (changes.Count == 0) return;
        var report = new StringBuilder().AppendLine(
            CultureInfo.InvariantCulture,
            $"Pipeline.Tests/Golden/{name} differs in {changes.Count} line(s); - expected, + now:");
        foreach (var change in changes.Take(ShownLines)) report.AppendLine(change);
        if (changes.Count > ShownLines) report.AppendLine("…");
        Assert.Fail(
            $"{report}If the change is intended, replace the file: {WriteVariable}=yes ./test -class '*Golden*'");
    }

    /// <summary>
    /// Lines that only one side has, by the longest common subsequence, with line numbers of their side.
    /// </summary>
    internal static List<string> Changes(IReadOnlyList<string> expected, IReadOnlyList<string> actual)
    {
        // common[i, j]: length of the longest common subsequence of expected[i..] and actual[j..]
        var common = new int[expected.Count + 1, actual.Count + 1];
        for (var i = expected.Count - 1; i >= 0; i--)
            for (var j = actual.Count - 1; j >= 0; j--)
                common[i, j] = expected[i] == actual[j]
                    ? common[i + 1, j + 1] + 1
                    : Math.Max(common[i + 1, j], common[i, j + 1]);

        var changes = new List<string>();
        for (int i = 0, j = 0; i < expected.Count || j < actual.Count;)
        {
            if (i < expected.Count && j < actual.Count && expected[i] == actual[j]) (i, j) = (i + 1, j + 1);
            else if (j == actual.Count || (i < expected.Count && common[i + 1, j] >= common[i, j + 1]))
                changes.Add($"{i + 1}: - {expected[i++]}");
            else changes.Add($"{j + 1}: + {actual[j++]}");
        }

        return changes;
    }
}
