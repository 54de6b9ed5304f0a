using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Dvis.Streaming.Benchmarks.Mutation;

/// <summary>Outcome of one fault: how the tests ended with it.</summary>
internal sealed record MutationOutcome(string Result, bool Caught);

/// <summary>
/// Faults in a copy of the working tree, built and tested one by one, so that the tree itself stays as it is. The copy
/// is kept: of the next run only what has changed is copied and built. Tests of <c>.py</c> files are those of Models.
/// </summary>
internal sealed partial class MutationRun
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(8);
    private readonly string _tree, _built, _good;

    /// <param name="root">Root of the repository.</param>
    /// <param name="folder">Folder of the copy.</param>
    public MutationRun(string root, string folder)
    {
        _tree = Path.Combine(folder, "tree");
        _built = Path.Combine(_tree, "artifacts/bin/Dvis.Streaming.Pipeline.Tests/debug");
        _good = Path.Combine(folder, "good");
        Copy(root);
        var (shared, link) = (Path.GetFullPath(Path.Combine(root, "../shared")), Path.Combine(folder, "shared"));
        if (Directory.Exists(shared) && !Directory.Exists(link)) Directory.CreateSymbolicLink(link, shared);
    }

    /// <summary>Builds the tests and all they need; null when it compiles, else the first error.</summary>
    public string? Build()
    {
        var error = Build("Pipeline.Tests");
        if (error is not null) return error;
        Directory.CreateDirectory(_good);
        foreach (var file in Directory.EnumerateFiles(_built, "*.dll"))
            if (Path.GetFileName(file).StartsWith("dvis", StringComparison.OrdinalIgnoreCase))
                File.Copy(file, Path.Combine(_good, Path.GetFileName(file)), overwrite: true);
        return null;
    }

    /// <summary>Runs the tests of a fault; null when they pass, else what went wrong.</summary>
    public string? Test(Mutant mutant)
    {
        var run = mutant.IsPython
            ? Start("/usr/bin/python3", Path.Combine(_tree, "Models/tests"),
                ["-B", "-m", "unittest", "-f", .. mutant.Tests.Split(' ')])
            : Start("dotnet", _tree, [Path.Combine(_built, "Dvis.Streaming.Pipeline.Tests.dll"), "-noColor",
                "-stopOnFail", .. mutant.Tests.Split(' ')]);
        if (run.Code is null) return "the tests do not end";
        var total = Total().Match(run.Text);
        if (!total.Success || total.Groups["count"].Value == "0") return "no test ran";
        return run.Code == 0 ? null
            : Failed().Match(run.Text) is { Success: true } match
                ? string.Join('.', match.Groups["test"].Value.Split('.')[^2..])
                : "crash";
    }

    /// <summary>Applies a fault, builds, tests, and takes it back.</summary>
    public MutationOutcome Try(Mutant mutant)
    {
        var path = Path.Combine(_tree, mutant.File);
        var text = File.ReadAllText(path);
        File.WriteAllText(path, mutant.Apply(text));
        try
        {
            if (!mutant.IsPython && Replace(mutant.Project) is { } error) return new(error, Caught: false);
            var found = Test(mutant);
            return new(found ?? "survived", found is not (null or "no test ran"));
        }
        finally
        {
            File.WriteAllText(path, text);
            if (!mutant.IsPython) CopyAssembly(mutant.Project, _good);
        }
    }

    /// <summary>
    /// Builds one project and puts its assembly beside the tests. The others are not built again, which is most of the
    /// time: a fault must not be in a constant that they use.
    /// </summary>
    private string? Replace(string project)
    {
        var error = Build(project, "--no-restore", "--no-dependencies");
        if (error is null) CopyAssembly(project, Path.Combine(_tree, $"artifacts/obj/Dvis.Streaming.{project}/debug"));
        return error;
    }

    private void CopyAssembly(string project, string from)
    {
        // The assembly of the program has its name.
        var name = project == "Hosting" ? "dvis.dll" : $"Dvis.Streaming.{project}.dll";
        File.Copy(Path.Combine(from, name), Path.Combine(_built, name), overwrite: true);
    }

    private string? Build(string project, params string[] more)
    {
        var build = Start("dotnet", _tree,
            ["build", project, "-c", "Debug", "-m:1", "--nologo", "-v", "q", "-p:RunAnalyzers=false",
                "-p:TreatWarningsAsErrors=false", .. more]);
        return build.Code == 0 ? null : $"does not compile: {Compiler().Match(build.Text).Value}";
    }

    /// <summary>Makes the copy equal to the working tree, without what git ignores.</summary>
    private void Copy(string root)
    {
        Directory.CreateDirectory(_tree);
        var names = Start("git", root, "ls-files", "-co", "--exclude-standard") is { Code: 0, Text: var list }
            ? list.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Where(name => File.Exists(Path.Combine(root, name))).ToHashSet()
            : throw new InvalidOperationException($"git lists no files of {root}.");
        foreach (var name in names)
        {
            var (from, to) = (Path.Combine(root, name), Path.Combine(_tree, name));
            // A build goes by times: equal files keep theirs, others are new.
            if (File.Exists(to) && File.ReadAllBytes(from).AsSpan().SequenceEqual(File.ReadAllBytes(to))) continue;
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(from, to, overwrite: true);
            File.SetLastWriteTimeUtc(to, TimeProvider.System.GetUtcNow().UtcDateTime);
        }

        foreach (var file in Directory.EnumerateFiles(_tree, "*", SearchOption.AllDirectories))
            if (Path.GetRelativePath(_tree, file) is var name && !names.Contains(name)
                && !name.StartsWith("artifacts/", StringComparison.Ordinal)) File.Delete(file);
    }

    private static (int? Code, string Text) Start(string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        Task<string>[] texts = [process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync()];
        if (process.WaitForExit(s_patience))
            return (process.ExitCode, string.Concat(Task.WhenAll(texts).GetAwaiter().GetResult()));
        process.Kill(entireProcessTree: true);
        return (null, "");
    }

    [GeneratedRegex(@"error \w+: .*")]
    private static partial Regex Compiler();

    [GeneratedRegex(@"Total: (?<count>\d+)|^Ran (?<count>\d+) tests?", RegexOptions.Multiline)]
    private static partial Regex Total();

    [GeneratedRegex(@"^\s{0,5}(?<test>\w+(\.\w+)+).*\[FAIL\]|^(FAIL|ERROR): .*?(?<test>\w+(\.\w+)+)",
        RegexOptions.Multiline)]
    private static partial Regex Failed();
}
