using System.Globalization;
using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>What was observed, printed at the end; with <c>DVIS_FAULTS_WRITE</c> set it replaces the table of <c>docs/reliability.md</c>.</summary>
public sealed class FaultTable : IDisposable
{
    private const string Begin = "<!-- faults: written by ./test --faults --write -->", End = "<!-- end of faults -->";
    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _lines = [];

    internal void Add(FaultRow row, string observed, double? recovery, int? lost)
    {
        var seconds = recovery is { } r ? r.ToString("0.0 s", CultureInfo.InvariantCulture) : "–";
        if (observed.Length == 0) observed = "as expected, without a change of state";
        lock (_gate) _lines[row.Name] = $"| `{row.Name}` | {row.Injected} | {row.Expected} | {observed.Replace("|", "/", StringComparison.Ordinal)} | {seconds} | {lost?.ToString(CultureInfo.InvariantCulture) ?? "–"} |";
    }

    public void Dispose()
    {
        if (!FaultSuiteTests.Chosen || _lines.Count == 0) return;
        var table = new StringBuilder("| fault | injected | expected | observed | recovered in | QoS 1 lost |\n|---|---|---|---|---|---|\n");
        foreach (var row in FaultSuiteTests.Rows)
            if (_lines.TryGetValue(row.Name, out var line)) table.Append(line).Append('\n');
        Console.Out.WriteLine($"{table}{_lines.Count} faults");
        if (Environment.GetEnvironmentVariable("DVIS_FAULTS_WRITE") is null) return;

        var file = Repo.Path("docs/reliability.md");
        var text = File.ReadAllText(file);
        var (begin, end) = (text.IndexOf(Begin, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        if (begin < 0 || end < begin) throw new InvalidOperationException($"{file} has no place for the table.");
        File.WriteAllText(file, $"{text[..begin]}{Begin}\n{table}{text[end..]}");
    }
}
