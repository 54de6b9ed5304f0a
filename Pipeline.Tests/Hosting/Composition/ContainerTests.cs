using System.Diagnostics;
using Dvis.Streaming.Pipeline.Tests.Faults;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using YamlDotNet.RepresentationModel;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Composition;

/// <summary>The parts of the container and of compose that run without a container engine.</summary>
public sealed class ContainerTests : IDisposable
{
    private const string Endless = """
        cameras: { a: { synthetic: { width: 64, height: 64, fps: 5 } } }
        mqtt: { servers: [] }
        http: { bind: '127.0.0.1:0' }
        logging: { level: error }

        """;

    private readonly ConfigFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Compose_MountsFoldersAndKeepsState()
    {
        var services = (await ComposeAsync())["services"];
        var dvis = services["dvis"];
        var folder = Mounts(dvis).Single(m => m.Target == "/etc/dvis").Source;
        Assert.True(Directory.Exists(Repo.Path($"deploy/{folder}")), "a folder, so that a replaced file is seen");
        Assert.Equal("state", Mounts(dvis).Single(m => m.Target == "/var/lib/dvis").Source);
        Assert.Equal("broker", Mounts(services["mosquitto"]).Single(m => m.Target == "/mosquitto/data").Source);
        // A policy that starts again after exit code 2, too, needs the entry point that waits.
        Assert.Equal("unless-stopped", (string?)dvis["restart"]);
        Assert.Equal("/app/container-start", (string?)dvis["entrypoint"][0]);

        var declared = ((YamlMappingNode)(await ComposeAsync())["volumes"]).Children.Keys.Select(k => (string?)k);
        var mounts = ((YamlMappingNode)services).Children.Values.SelectMany(Mounts).Select(m => m.Source).ToList();
        Assert.Equal(declared.Order(), mounts.Where(m => !m.StartsWith('.')).Distinct().Order());
        Assert.All(mounts.Where(m => m.StartsWith('.')), m => Assert.True(Path.Exists(Repo.Path($"deploy/{m}")), m));
    }

    [Fact]
    public async Task Compose_Configuration_IsAccepted_AndReachableFromPrometheus()
    {
        var token = _folder.Write("http_token", "0123456789abcdef0123456789abcdef");
        var text = await File.ReadAllTextAsync(Repo.Path("deploy/compose/dvis/config.yaml"));
        var options = _folder.Load(text.Replace("/run/token/http_token", token, StringComparison.Ordinal)).Options;
        Assert.Equal("0.0.0.0:8080", options.Http.Bind);
        Assert.Equal("/var/lib/dvis/outbox", options.Mqtt.Outbox.Path);
        Assert.Contains("[\"dvis:8080\"]",
            await File.ReadAllTextAsync(Repo.Path("deploy/compose/prometheus.yml")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compose_Broker_KeepsRetainedMessagesOverARestart()
    {
        var lines = await File.ReadAllLinesAsync(Repo.Path("deploy/compose/mosquitto.conf"));
        // Port and login are the test's.
        string[] settings = [.. lines.Where(l => !l.StartsWith("listener", StringComparison.Ordinal)
            && !l.StartsWith("allow_anonymous", StringComparison.Ordinal))
            .Select(l => l.Replace("/mosquitto/data/", "{folder}/", StringComparison.Ordinal))];
        await using var broker = await MosquittoBroker.StartAsync(settings);
        await MosquittoBroker.RunAsync("mosquitto_pub",
            [.. broker.ClientArguments(), "-r", "-q", "1", "-t", "dvis/kept", "-m", "kept"]);
        await broker.StopAsync();
        await broker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await subscriber.WaitTextAsync("dvis/kept", "kept");
    }

    [Fact]
    public async Task Health_FollowsTheAddressOfTheFile()
    {
        var (file, address) = (_folder.Write("config.yaml", Endless), Path.Combine(_folder.Root, "address"));
        using var service = Bash($"DVIS_ADDRESS_FILE={address} exec dotnet {Tool.Dvis} run -c {file}");
        try
        {
            await Eventually.TrueAsync(async () => await HealthAsync() == 0, "the health check passes");
            await DaemonProcess.SignalAsync("TERM", service.Id);
            await service.WaitForExitAsync();
            Assert.NotEqual(0, await HealthAsync());
        }
        finally
        {
            if (!service.HasExited) service.Kill();
        }

        async Task<int> HealthAsync() => (await Tool.RunAsync("bash",
            ["-c", $"DVIS_ADDRESS_FILE={address} {Repo.Path("deploy/container-health")}"])).Code;
    }

    [Fact]
    public async Task Start_InvalidConfiguration_WaitsForAChange_ThenRuns_AndPassesTheSignalOn()
    {
        using var script = new StartScript();
        var (file, address) = (_folder.Write("config.yaml", Endless + "verison: 1\n"), Path.Combine(_folder.Root, "a"));
        using var start = Bash($"DVIS_ADDRESS_FILE={address} exec {script.Path} run -c {file}");
        var errors = start.StandardError.ReadToEndAsync();
        try
        {
            await Eventually.TrueAsync(async () => await ChildrenAsync(start.Id, "sleep"), "it waits");
            Assert.False(File.Exists(address));
            // As editors save: a new file takes the place of the old one.
            File.Move(_folder.Write("new", Endless), file, overwrite: true);
            await Eventually.TrueAsync(() => File.Exists(address), "it runs");
            await DaemonProcess.SignalAsync("TERM", start.Id);
            await start.WaitForExitAsync();
            Assert.Equal(0, start.ExitCode);
            Assert.Equal(
                $"{file}:5:1: verison: found an unknown key; did you mean 'version'?\n"
                + "dvis: 1 error in the configuration\n"
                + $"container-start: the next attempt follows when a file in {_folder.Root} changes\n", await errors);
        }
        finally
        {
            if (!start.HasExited) start.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task Start_InvalidConfiguration_Stopped_IsTwo()
    {
        using var script = new StartScript();
        using var start = Bash($"exec {script.Path} run -c {_folder.Write("config.yaml", "verison: 1\n")}");
        await Eventually.TrueAsync(async () => await ChildrenAsync(start.Id, "sleep"), "it waits");
        await DaemonProcess.SignalAsync("TERM", start.Id);
        await start.WaitForExitAsync();
        Assert.Equal(2, start.ExitCode);
    }

    [Theory]
    [InlineData(0, "fps: 5", "frames: 5, realtime: false")]
    [InlineData(1, "servers: []", "servers: ['mqtt://127.0.0.1:1']")]
    public async Task Start_OtherExitCodes_ArePassedOn(int expected, string from, string to)
    {
        using var script = new StartScript();
        var file = _folder.Write("config.yaml", Endless.Replace(from, to, StringComparison.Ordinal));
        using var start = Bash($"exec {script.Path} run -c {file} --seconds {(expected == 0 ? 300 : 1)}");
        await start.WaitForExitAsync();
        Assert.Equal(expected, start.ExitCode);
    }

    private static Process Bash(string command) => Process.Start(
        new ProcessStartInfo("bash", ["-c", command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    private static async Task<bool> ChildrenAsync(int parent, string name) => (await Tool.RunAsync("bash",
        ["-c", $"grep -qx {name} $(printf '/proc/%s/comm ' $(cat /proc/{parent}/task/{parent}/children))"])).Code == 0;

    private static async Task<YamlNode> ComposeAsync()
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(await File.ReadAllTextAsync(Repo.Path("deploy/compose.yaml"))));
        return yaml.Documents[0].RootNode;
    }

    private static IEnumerable<(string Source, string Target)> Mounts(YamlNode service) =>
        ((YamlSequenceNode)service["volumes"]).Children.Select(m => ((string)m!).Split(':'))
            .Select(m => (m[0], m[1]));

    /// <summary>The entry point beside the built program, as in the image.</summary>
    private sealed class StartScript : IDisposable
    {
        public StartScript() => File.Copy(Repo.Path("deploy/container-start"), Path);

        public string Path { get; } =
            System.IO.Path.Combine(AppContext.BaseDirectory, $"start-{System.IO.Path.GetRandomFileName()}");

        public void Dispose() => File.Delete(Path);
    }
}
