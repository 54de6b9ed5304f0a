using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Slow;

/// <summary><c>./install</c> into an empty root, as a new installation, as an upgrade, and removed again.</summary>
public sealed class InstallTests : IDisposable
{
    private readonly TempFolder _temp = new();

    private string Root => _temp.Path("root");

    public void Dispose() => _temp.Dispose();

    [Fact]
    public async Task Install_ThenUpgradeThenRemove_KeepsTheConfiguration()
    {
        var first = await InstallAsync("--destdir", Root);
        Assert.Contains("the shipped sample", first);
        await AssertCopiedAsync("deploy/systemd/dvis.service", "etc/systemd/system/dvis.service");
        await AssertCopiedAsync("config.yaml", "etc/dvis/config.yaml");
        await RunsAsTheUnitDoesAsync();

        var config = Path.Combine(Root, "etc/dvis/config.yaml");
        await File.WriteAllTextAsync(Path.Combine(Root, "opt/dvis/left-over.dll"), "of the former version");
        await File.AppendAllTextAsync(config, "verison: 1\n");
        var (code, refused) = await RunAsync("--destdir", Root);
        Assert.Equal(1, code);
        Assert.Contains("did you mean 'version'?", refused);
        Assert.True(File.Exists(Path.Combine(Root, "opt/dvis/left-over.dll")));

        var text = await File.ReadAllTextAsync(config);
        await File.WriteAllTextAsync(config, text.Replace("verison: 1\n", "# mine\n", StringComparison.Ordinal));
        var second = await InstallAsync("--destdir", Root);
        Assert.Contains("kept ", second);
        Assert.EndsWith("# mine\n", await ReadAsync("etc/dvis/config.yaml"));
        Assert.False(File.Exists(Path.Combine(Root, "opt/dvis/left-over.dll")));
        Assert.True(File.Exists(Path.Combine(Root, "opt/dvis/dvis")));

        await InstallAsync("--destdir", Root, "--remove");
        var left = Directory.EnumerateFiles(Root, "*", SearchOption.AllDirectories);
        Assert.Equal(["etc/dvis/config.yaml"], left.Select(file => Path.GetRelativePath(Root, file)));
    }

    /// <summary>The installed program reads its configuration and runs its model, without any other .NET.</summary>
    private async Task RunsAsTheUnitDoesAsync()
    {
        var unit = await ReadAsync("etc/systemd/system/dvis.service");
        var line = unit.Split('\n').Single(l => l.StartsWith("ExecStartPre=", StringComparison.Ordinal));
        var command = line["ExecStartPre=".Length..].Split(' ');
        Assert.Equal("/opt/dvis/dvis", command[0]);
        foreach (var arguments in (string[][])[command[1..], ["models", "verify", "/opt/dvis/Models/default"]])
        {
            var words = arguments.Prepend(command[0]).Select(word => word.StartsWith('/') ? Root + word : word);
            string[] clean = ["-i", "PATH=/usr/bin:/bin", "DOTNET_ROOT=/nowhere"];
            var (code, output) = await Tool.RunAsync("env", [.. clean, .. words]);
            Assert.True(code == 0, output);
        }
    }

    private async Task AssertCopiedAsync(string source, string installed) =>
        Assert.Equal(await File.ReadAllTextAsync(Repo.Path(source)), await ReadAsync(installed));

    private Task<string> ReadAsync(string file) => File.ReadAllTextAsync(Path.Combine(Root, file));

    private static async Task<string> InstallAsync(params string[] arguments)
    {
        var (code, output) = await RunAsync(arguments);
        Assert.True(code == 0, output);
        return output;
    }

    private static Task<(int Code, string Output)> RunAsync(params string[] arguments) =>
        Tool.RunAsync("env", ["-C", "/", Repo.Path("install"), .. arguments]);
}
