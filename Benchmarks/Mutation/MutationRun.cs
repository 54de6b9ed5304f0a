using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Dvis.Streaming.Benchmarks.Mutation;

/// <summary>Outcome of one fault: how the tests ended with it.</summary>
internal sealed record MutationOutcome(Mutant Mutant, string Result, bool Caught, TimeSpan Time);

/// <summary>
/// Copy of the working tree in which faults are built and tested one by one, so that the tree itself stays as it is.
/// </summary>
internal sealed partial class MutationRun : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(8);
    private readonly string _folder = Directory.CreateTempSubdirectory("dvis-mutants-").FullName;

    /// <param name="root">Root of the repository.</param>
    public MutationRun(string root)
    {
        Tree = Path.Combine(_folder, "tree");
        var files = Output("git", root, "ls-files", "-co", "--exclude-standard");
        foreach (var name in files.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var (from, to) = (Path.Combine(root, name), Path.Combine(Tree, name));
            if (!File.Exists(from)) continue;
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(from, to);
        }

        if (Path.GetFullPath(Path.Combine(root, "../shared")) is var shared && Directory.Exists(shared))
            Directory.CreateSymbolicLink(Path.Combine(_folder, "shared"), shared);
    }

    private string Tree { get; }

    /// <summary>Builds and runs tests on the tree as it is; null when they pass, else what went wrong.</summary>
    public string? Check(string tests)
    {
        var build = Start("dotnet", Tree, "build", "Pipeline.Tests", "-c", "Debug", "-m:1", "--nologo", "-v", "q",
            "-p:RunAnalyzers=false", "-p:TreatWarningsAsErrors=false");
        if (build.Code != 0) return $"does not compile: {Compiler().Match(build.Text).Value}";
        var program = Path.Combine(Tree,
            "artifacts/bin/Dvis.Streaming.Pipeline.Tests/debug/Dvis.Streaming.Pipeline.Tests.dll");
        var run = Start("dotnet", Tree, [program, "-noColor", "-stopOnFail", .. tests.Split(' ')]);
        if (run.Code is null) return "the tests do not end";
        if (Total().Match(run.Text) is not { Success: true } total || total.Groups[1].Value == "0")
            return "no test ran";
        return run.Code == 0 ? null : Failed().Match(run.Text) is { Success: true } match
            ? match.Groups[1].Value
            : "crash";
    }

    /// <summary>Applies a fault, checks, and takes it back.</summary>
    public MutationOutcome Try(Mutant mutant)
    {
        var path = Path.Combine(Tree, mutant.File);
        var text = File.ReadAllText(path);
        var clock = Stopwatch.StartNew();
        File.WriteAllText(path, mutant.Apply(text));
        try
        {
            var found = Check(mutant.Tests);
            var broken = found is not null && (found.StartsWith("does not compile", StringComparison.Ordinal)
                || found == "no test ran");
            return new MutationOutcome(mutant, found ?? "survived", found is not null && !broken, clock.Elapsed);
        }
        finally
        {
            File.WriteAllText(path, text);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Output(string program, string folder, params string[] arguments) =>
        Start(program, folder, arguments) is { Code: 0, Text: var text }
            ? text
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed.");

    private static (int? Code, string Text) Start(string program, string folder, params string[] arguments)
    {
        var start =
            new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var text = process.StandardOutput.ReadToEndAsync();
        if (process.WaitForExit(s_patience)) return (process.ExitCode, text.GetAwaiter().GetResult());
        process.Kill(entireProcessTree: true);
        return (null, "");
    }

    [GeneratedRegex(@"error \w+: .*")]
    private static partial Regex Compiler();

    [GeneratedRegex(@"Total: (\d+)")]
    private static partial Regex Total();

    [GeneratedRegex(@"^\s{0,5}(\S.*) \[FAIL\]", RegexOptions.Multiline)]
    private static partial Regex Failed();
}
