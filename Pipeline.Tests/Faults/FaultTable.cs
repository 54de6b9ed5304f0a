using System.Globalization;
using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>What was observed, printed at the end;
/// with <c>DVIS_FAULTS_WRITE</c> set it replaces the table of <c>docs/internal/reliability.md</c>.</summary>
public sealed class FaultTable : IDisposable
{
    private const string Begin = "<!-- faults: written by ./test --faults --write -->", End = "<!-- end of faults -->";
    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _lines = [];

    internal void Add(FaultRow row, string observed, double? recovery, int? lost)
    {
        var seconds = recovery is { } r ? r.ToString("0.0 s", CultureInfo.InvariantCulture) : "–";
        if (observed.Length == 0) observed = "as expected, without a change of state";
        lock (_gate)
            _lines[row.Name] =
                $"| `{row.Name}` | {row.Injected} | {row.Expected} | "
                + $"{observed.Replace("|", "/", StringComparison.Ordinal)} | {seconds} | "
                    + $"{lost?.ToString(CultureInfo.InvariantCulture) ?? "–"} |";
    }

    public void Dispose()
    {
        if (!FaultSuiteTests.Chosen || _lines.Count == 0) return;
        Console.Out.WriteLine($"{Table()}{_lines.Count} faults");
        if (Environment.GetEnvironmentVariable("DVIS_FAULTS_WRITE") is not null) Write();
    }

    // Rows that were not run keep what was seen of them last.
    private void Write()
    {
        var file = Repo.Path("docs/internal/reliability.md");
        var text = File.ReadAllText(file);
        var (begin, end) = (text.IndexOf(Begin, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        if (begin < 0 || end < begin) throw new InvalidOperationException($"{file} has no place for the table.");
        foreach (var line in text[begin..end].Split('\n').Where(l => l.StartsWith("| `", StringComparison.Ordinal)))
            _lines.TryAdd(line.Split('`')[1], line);
        File.WriteAllText(file, $"{text[..begin]}{Begin}\n{Table()}{text[end..]}");
    }

    private string Table()
    {
        var table = new StringBuilder(
            "| fault | injected | expected | observed | recovered in | QoS 1 lost |\n|---|---|---|---|---|---|\n");
        foreach (var row in FaultSuiteTests.Rows)
            if (_lines.TryGetValue(row.Name, out var line)) table.Append(line).Append('\n');
        return table.ToString();
    }
}
