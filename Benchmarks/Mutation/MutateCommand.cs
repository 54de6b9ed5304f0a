using System.CommandLine;
using System.Globalization;

namespace Dvis.Streaming.Benchmarks.Mutation;

/// <summary><c>bench mutate</c>: deliberate faults one by one, and which test notices each.</summary>
internal static class MutateCommand
{
    public static Command Create()
    {
        var names = new Argument<string[]>("names")
        { DefaultValueFactory = _ => [], Description = "Faults by name; none: all of the list." };
        var list = new Option<string>("--list")
        {
            DefaultValueFactory = _ => "Benchmarks/Mutation/mutants.txt",
            Description = "Faults: file, tests and changed lines."
        };
        var output = new Option<string?>("--out") { Description = "File for the table as Markdown." };
        var command = new Command("mutate",
            "Applies deliberate faults to a copy of the sources, one by one, and runs the tests that must notice each; "
            + "exit code 1 when one survives that is not explained as equivalent.") { names, list, output };
        command.SetAction(parsed =>
            Run(parsed.GetRequiredValue(names), parsed.GetRequiredValue(list), parsed.GetValue(output)));
        return command;
    }

    private static int Run(string[] names, string list, string? output)
    {
        var all = Mutant.ReadList(list);
        if (names.FirstOrDefault(n => all.All(m => m.Name != n)) is { } unknown)
        {
            Console.Error.WriteLine($"{list} has no fault {unknown}.");
            return 2;
        }

        var chosen = all.Where(m => names.Length == 0 || names.Contains(m.Name)).ToArray();
        using var run = new MutationRun(Directory.GetCurrentDirectory());
        foreach (var filter in chosen.Select(m => m.Tests).Distinct())
        {
            if (run.Check(filter) is not { } problem) continue;
            Console.Error.WriteLine($"Without a fault, {filter} does not pass: {problem}");
            return 2;
        }

        string[] head = ["| fault | file | noticed by |", "|---|---|---|"];
        foreach (var line in head) Console.WriteLine(line);
        var (rows, survived) = (new List<string>(head), 0);
        foreach (var mutant in chosen)
        {
            var outcome = run.Try(mutant);
            var result = outcome.Caught ? $"`{outcome.Result}`"
                : mutant.Equivalent is { } reason && outcome.Result == "survived" ? $"equivalent: {reason}"
                : $"**{outcome.Result}**";
            if (result.StartsWith("**", StringComparison.Ordinal)) survived++;
            rows.Add($"| {mutant.Name} | {mutant.File} | {result} |");
            Console.WriteLine(rows[^1]);
        }

        var sum = string.Create(CultureInfo.InvariantCulture, $"{chosen.Length} faults, {survived} not noticed");
        Console.WriteLine(sum);
        if (output is not null) File.WriteAllLines(output, [.. rows, "", sum + "."]);
        return survived > 0 ? 1 : 0;
    }
}
