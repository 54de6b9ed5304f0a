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
        Assert.Equal(await File.ReadAllTextAsync(Repo.Path("deploy/systemd/dvis.service")), await ReadAsync("etc/systemd/system/dvis.service"));
        Assert.Equal(await File.ReadAllTextAsync(Repo.Path("config.yaml")), await ReadAsync("etc/dvis/config.yaml"));
        await RunsAsTheUnitDoesAsync();

        await File.AppendAllTextAsync(Path.Combine(Root, "etc/dvis/config.yaml"), "# mine\n");
        await File.WriteAllTextAsync(Path.Combine(Root, "opt/dvis/left-over.dll"), "of the former version");
        var second = await InstallAsync("--destdir", Root);
        Assert.Contains("kept ", second);
        Assert.EndsWith("# mine\n", await ReadAsync("etc/dvis/config.yaml"));
        Assert.False(File.Exists(Path.Combine(Root, "opt/dvis/left-over.dll")));
        Assert.True(File.Exists(Path.Combine(Root, "opt/dvis/dvis")));

        await InstallAsync("--destdir", Root, "--remove");
        Assert.Equal(["etc/dvis/config.yaml"], Directory.EnumerateFiles(Root, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Root, f)));
    }

    /// <summary>The installed program, without any .NET in its environment, reads the configuration and runs the models beside it.</summary>
    private async Task RunsAsTheUnitDoesAsync()
    {
        var unit = await ReadAsync("etc/systemd/system/dvis.service");
        var command = unit.Split('\n').Single(l => l.StartsWith("ExecStartPre=", StringComparison.Ordinal))["ExecStartPre=".Length..].Split(' ');
        Assert.Equal("/opt/dvis/dvis", command[0]);
        foreach (var arguments in (string[][])[command[1..], ["models", "verify", "/opt/dvis/Models/default"]])
        {
            var (code, output) = await Tool.RunAsync(
                "env",
                ["-i", "PATH=/usr/bin:/bin", "DOTNET_ROOT=/nowhere", .. arguments.Prepend(command[0])
                    .Select(a => a.StartsWith("/opt", StringComparison.Ordinal) || a.StartsWith("/etc", StringComparison.Ordinal) ? Root + a : a)]);
            Assert.True(code == 0, output);
        }
    }

    private Task<string> ReadAsync(string file) => File.ReadAllTextAsync(Path.Combine(Root, file));

    private static async Task<string> InstallAsync(params string[] arguments)
    {
        var (code, output) = await Tool.RunAsync("env", ["-C", "/", Repo.Path("install"), .. arguments]);
        Assert.True(code == 0, output);
        return output;
    }
}
