using System.CommandLine;

namespace Dvis.Streaming.Benchmarks.Fuzzing;

/// <summary><c>bench fuzz</c>: one target or all, one after the other, and a row of a table for each.</summary>
internal static class FuzzCommand
{
    public static Command Create()
    {
        var names = new Option<string[]>("--target")
        {
            DefaultValueFactory = _ => [],
            Description = "Which readers; none: all of them.",
            AllowMultipleArgumentsPerToken = true
        };
        var minutes =
            new Option<double>("--minutes") { DefaultValueFactory = _ => 1, Description = "Length for each." };
        var seed = new Option<int>("--seed")
        {
            DefaultValueFactory = _ => 1,
            Description = "The same seed makes the same inputs."
        };
        var output = new Option<string>("--out")
        {
            DefaultValueFactory = _ => "artifacts/fuzz",
            Description = "Folder for inputs that broke something, as base64."
        };
        var command = new Command("fuzz",
            "Hostile files and streams for every reader; exit code 1 when one broke its bounds.") { names, minutes,
            seed, output };
        command.SetAction(parsed =>
            Run(parsed.GetRequiredValue(names), TimeSpan.FromMinutes(parsed.GetRequiredValue(minutes)),
                parsed.GetRequiredValue(seed), parsed.GetRequiredValue(output)));
        return command;
    }

    private static int Run(string[] names, TimeSpan time, int seed, string output)
    {
        using var targets = new FuzzTargets();
        if (names.FirstOrDefault(n => targets.All.All(t => t.Name != n)) is { } unknown)
        {
            Console.Error.WriteLine($"There is no target {unknown}; there are {string.Join(", ", targets.All)}.");
            return 2;
        }

        var found = 0;
        Console.WriteLine("| reader | minutes | inputs | refused | ways | findings |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (var target in targets.All.Where(t => names.Length == 0 || names.Contains(t.Name)))
        {
            var report = new FuzzRun(target, seed).Run(long.MaxValue, time);
            Console.WriteLine(
                $"| {target} | {time.TotalMinutes:0.#} | {report.Inputs} | {report.Rejected} | {report.Ways} | "
                + $"{report.Findings.Count} |");
            foreach (var finding in report.Findings)
            {
                found++;
                Directory.CreateDirectory(output);
                var file = Path.Combine(output, $"{target}-{found}.b64");
                File.WriteAllText(file, Convert.ToBase64String(finding.Input));
                Console.Error.WriteLine($"{target}: {finding.Where}: {finding.Detail.Split('\n')[0]} ({file})");
            }
        }

        return found > 0 ? 1 : 0;
    }
}
