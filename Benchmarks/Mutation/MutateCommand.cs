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
        var folder = new Option<string>("--folder")
        {
            DefaultValueFactory = _ => Path.Combine(Path.GetTempPath(), "dvis-mutants"),
            Description = "Folder of the copy of the sources, which is kept; of one run at a time."
        };
        var output = new Option<string?>("--out")
        {
            Description = "Document whose table of faults is replaced; rows of faults that were not run stay."
        };
        var command = new Command("mutate",
            "Applies deliberate faults to a copy of the sources, one by one, and runs the tests that must notice each; "
            + "exit code 1 when one survives that is not explained as equivalent.")
            { names, list, folder, output };
        command.SetAction(parsed => Run(
            parsed.GetRequiredValue(names), parsed.GetRequiredValue(list), parsed.GetRequiredValue(folder),
            parsed.GetValue(output)));
        return command;
    }

    private static int Run(string[] names, string list, string folder, string? output)
    {
        var all = Mutant.ReadList(list);
        if (names.FirstOrDefault(n => all.All(m => m.Name != n)) is { } unknown)
        {
            Console.Error.WriteLine($"{list} has no fault {unknown}.");
            return 2;
        }

        var chosen = all.Where(m => names.Length == 0 || names.Contains(m.Name)).ToArray();
        var run = new MutationRun(Directory.GetCurrentDirectory(), Path.GetFullPath(folder));
        if (chosen.Any(m => !m.IsPython) && run.Build() is { } error)
        {
            Console.Error.WriteLine($"Without a fault, it {error}");
            return 2;
        }

        var (table, survived) = (new MutationTable(output, all), 0);
        foreach (var group in chosen.GroupBy(m => (m.Project, m.Tests)))
        {
            // A fault proves nothing where the tests fail without it.
            var problem = run.Test(group.First());
            foreach (var mutant in group)
            {
                var outcome = problem is null ? run.Try(mutant) : new($"without the fault, {problem}", Caught: false);
                var result = outcome.Caught ? $"`{outcome.Result}`"
                    : outcome.Result == "survived" && mutant.Equivalent is { } reason ? $"equivalent: {reason}"
                    : $"**{outcome.Result}**";
                if (result.StartsWith("**", StringComparison.Ordinal)) survived++;
                Console.WriteLine(table.Add(mutant, result));
            }
        }

        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{chosen.Length} faults, {survived} not noticed"));
        return survived > 0 ? 1 : 0;
    }
}
