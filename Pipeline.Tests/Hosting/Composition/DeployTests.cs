using System.Text.RegularExpressions;
using System.Xml.Linq;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Composition;

/// <summary>What is shipped to operate the service, checked with the tools it is for.</summary>
public sealed partial class DeployTests
{
    [Theory]
    [InlineData("check", "dvis.rules.yml")]
    [InlineData("test", "dvis.rules.test.yml")]
    public async Task PrometheusRules_PleasePromtool(string verb, string file)
    {
        Assert.SkipUnless(MosquittoBroker.Executable("promtool") is not null,
            "promtool is not installed (Debian package prometheus).");
        var (code, output) = await Tool.RunAsync("promtool", [verb, "rules", Repo.Path($"deploy/prometheus/{file}")]);
        Assert.True(code == 0, output);
    }

    [Fact]
    public async Task PrometheusRules_UseOnlyMetricsThatExist()
    {
        var served = await File.ReadAllTextAsync(Repo.Path("Pipeline.Tests/Golden/metrics.txt"));
        var rules = await File.ReadAllTextAsync(Repo.Path("deploy/prometheus/dvis.rules.yml"));
        var used = Regex.Matches(rules, "dvis_[a-z_]+[a-z]")
            .Select(m => m.Value.Replace("_bucket", "", StringComparison.Ordinal)).Distinct().ToList();
        Assert.True(used.Count > 8);
        Assert.DoesNotContain(used, metric => !served.Contains(metric + " ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Environment_OfTheUnit_IsAccepted()
    {
        using var folder = new ConfigFolder();
        var unit = await File.ReadAllTextAsync(Repo.Path("deploy/systemd/dvis.service"));
        foreach (Match set in Regex.Matches(unit, @"(?m)^[^#\n]*?(DVIS__\w+)=(\S+)"))
            folder.Environment[set.Groups[1].Value] = set.Groups[2].Value;
        Assert.NotEmpty(folder.Environment);
        folder.Load(ConfigFolder.Cameras);
    }

    [Fact]
    public async Task Dockerfile_CopiesWhatExists_AndEveryProjectOfTheProgram()
    {
        var copied = CopyLine().Matches(await File.ReadAllTextAsync(Repo.Path("Dockerfile")))
            .SelectMany(m => m.Groups[1].Value.Split(' ')[..^1]).ToList();
        Assert.True(copied.Count > 10);
        foreach (var source in copied)
            Assert.NotEmpty(Directory.GetFileSystemEntries(Repo.Root, source, s_hiddenToo));
        var sent = await File.ReadAllLinesAsync(Repo.Path(".dockerignore"));
        foreach (var project in Projects(Repo.Path("Hosting")).Distinct())
        {
            var folder = Path.GetRelativePath(Repo.Root, project);
            Assert.Contains(folder, copied);
            Assert.Contains($"{folder}/*.csproj", copied);
            Assert.Contains($"!{folder}", sent);
        }
    }

    private static readonly EnumerationOptions s_hiddenToo = new() { AttributesToSkip = FileAttributes.None };

    /// <summary>The folder of a project and those of the projects that it refers to.</summary>
    private static IEnumerable<string> Projects(string folder) =>
        XDocument.Load(Directory.GetFiles(folder, "*.csproj").Single()).Descendants("ProjectReference")
            .Select(r => Path.GetFullPath(Path.GetDirectoryName(r.Attribute("Include")!.Value)!, folder))
            .SelectMany(Projects).Prepend(folder);

    [GeneratedRegex(@"(?m)^COPY (?!--from)(.+)$")]
    private static partial Regex CopyLine();

    [Fact]
    public async Task PrometheusConfiguration_PleasesPromtool()
    {
        Assert.SkipUnless(MosquittoBroker.Executable("promtool") is not null,
            "promtool is not installed (Debian package prometheus).");
        var (code, output) = await Tool.RunAsync("promtool",
            ["check", "config", "--syntax-only", Repo.Path("deploy/compose/prometheus.yml")]);
        Assert.True(code == 0, output);
    }

    [Fact]
    public async Task SystemdUnit_PleasesItsAnalyzer()
    {
        Assert.SkipUnless(MosquittoBroker.Executable("systemd-analyze") is not null,
            "systemd-analyze is not installed.");
        var (_, output) =
            await Tool.RunAsync("systemd-analyze", ["verify", "--man=no", Repo.Path("deploy/systemd/dvis.service")]);
        // It also reports that the program is not installed here, and faults of other units.
        Assert.DoesNotContain(output.Split('\n'), l => l.Contains("dvis.service", StringComparison.Ordinal)
            && !l.Contains("is not executable", StringComparison.Ordinal));
    }
}
