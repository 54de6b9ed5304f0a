using System.Diagnostics;
using System.Globalization;
using Dvis.Streaming.Pipeline.Tests.Faults;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Terminal;

/// <summary>
/// <c>dvis</c> whose standard output and error are full, closed or not read: the service delivers as if nothing were,
/// and its exit code is that of the work.
/// </summary>
public sealed class StandardOutputTests : IDisposable
{
    private const string Json = "--set logging.format=json --set logging.level=debug";
    private const string Lines = "--set sinks.json_lines.path=- --set sinks.json_lines.masks=true";
    private readonly ConfigFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("run --seconds 300 >/dev/full 2>/dev/full")]
    [InlineData($"run --seconds 300 {Json} >/dev/full 2>/dev/full")]
    [InlineData($"run --seconds 300 {Lines} >/dev/full 2>/dev/full")]
    [InlineData($"run --seconds 300 {Lines} --set sinks.json_lines.lossless=true >/dev/full 2>/dev/full")]
    [InlineData($"run --seconds 300 {Lines} >&- 2>&-")]
    [InlineData("run --seconds 300 --set logging.level=debug >&- 2>&-")]
    [InlineData($"run --seconds 300 {Lines} 2>&1 | true; exit ${{PIPESTATUS[0]}}")]
    public async Task Run_OutputFullOrClosed_DeliversEverything_AndIsZero(string command)
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "no /dev/full");
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        var file = _folder.Write("config.yaml", Config(broker, "frames: 60, realtime: false"));
        var (code, output) = await BashAsync(command.Replace("run ", $"run -c {file} ", StringComparison.Ordinal));

        Assert.Equal((0, ""), (code, output));
        Assert.Equal(60, (await subscriber.WaitAsync("camera/a/tracks", 60)).Count);
        await subscriber.WaitTextAsync("dvis/v1/dvis/availability", "offline");
        Assert.Equal(59, Last(subscriber));
    }

    /// <summary>Output without a reader: 64 KiB go into the pipe, the rest into memory.</summary>
    [Fact]
    public async Task Run_JsonLinesThatNobodyReads_DeliversEverything_AndIsZero()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        var file = _folder.Write("config.yaml", Config(broker, "frames: 1500, realtime: false"));
        using var process = Tool.StartDvis(["run", "-c", file, "--seconds", "300", .. Lines.Split(' ')]);
        await process.WaitForExitAsync();

        Assert.Equal(0, process.ExitCode);
        Assert.Equal(1499, Last(subscriber));
        var lines = (await process.StandardOutput.ReadToEndAsync()).Split('\n');
        Assert.InRange(lines.Count(l => l.StartsWith("{\"type\":\"tracks\"", StringComparison.Ordinal)), 10, 1499);
    }

    [Fact]
    public async Task Run_DiskOfTheLogBecomesFull_DeliversOn_AndLinesComeAgain()
    {
        using var disk = SmallDisk.Mount(8192);
        await File.WriteAllTextAsync(disk.Path("log"), new string('-', 4000) + "\n");
        await File.WriteAllBytesAsync(disk.Path("fill"), new byte[4096]);
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        var file = _folder.Write("config.yaml", Config(broker, "fps: 25"));
        using var process = Bash($"exec dotnet {Tool.Dvis} run -c {file} >>{disk.Path("log")} 2>&1");
        try
        {
            await subscriber.WaitAsync("camera/a/tracks/final", 5);
            Assert.Equal(4096, new FileInfo(disk.Path("log")).Length);
            File.Delete(disk.Path("fill"));
            await Eventually.TrueAsync(() => new FileInfo(disk.Path("log")).Length > 4200, "lines come again");
            await DaemonProcess.SignalAsync("TERM", process.Id);
            await process.WaitForExitAsync();
            Assert.Equal(0, process.ExitCode);
            var lines = await File.ReadAllLinesAsync(disk.Path("log"));
            Assert.All(lines[2..], line => Assert.Matches(@"^(\d\d:\d\d:\d\d[ .]|a: |mqtt: )", line));
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    [Theory]
    [InlineData("validate -c config.yaml")]
    [InlineData("validate -c config.yaml --print-effective")]
    [InlineData("models inspect Models/default")]
    [InlineData("--help")]
    public async Task CommandThatPrints_OutputFullOrClosed_IsOneSentence_AndOne(string command)
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "no /dev/full");
        _folder.Write("config.yaml", ConfigFolder.Cameras);
        var (code, output) = await BashAsync($"cd {_folder.Root}; {command} >/dev/full");
        Assert.Equal((1, "dvis: reading or writing failed: No space left on device\n"), (code, output));
        Assert.Equal((1, ""), await BashAsync($"cd {_folder.Root}; {command} >/dev/full 2>/dev/full"));
        (code, output) = await BashAsync($"cd {_folder.Root}; {command} >&-");
        Assert.Equal(1, code);
        Assert.Matches("^dvis: reading or writing failed: [^\n]+\n\\z", output);
    }

    /// <summary>Runs a command line of <c>dvis</c> in a shell.</summary>
    private static async Task<(int Code, string Output)> BashAsync(string command)
    {
        var (before, dvis) = command.Split("; ", 2) is [['c', 'd', ..] and var cd, var rest]
            ? (cd + "; ", rest)
            : ("", command);
        using var process = Bash($"{before}dotnet {Tool.Dvis} {dvis}");
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await errors);
    }

    private static Process Bash(string command) => Process.Start(
        new ProcessStartInfo("bash", ["-c", command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    private static string Config(MosquittoBroker broker, string scene) => $$"""
        cameras: { a: { synthetic: { width: 64, height: 64, {{scene}} } } }
        mqtt: { servers: ['{{broker.Url}}'] }
        http: { bind: '127.0.0.1:0' }
        """;

    private static int Last(MqttSubscriber subscriber) => subscriber.On("camera/a/tracks/final")
        .Max(m => int.Parse(
            System.Text.RegularExpressions.Regex.Match(m.Text, "\"last_frame\":(\\d+)").Groups[1].Value,
            CultureInfo.InvariantCulture));
}
