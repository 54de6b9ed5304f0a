using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Service;

/// <summary>The program as systemd or a shell sees it: arguments in, exit code and lines out.</summary>
public sealed class ProcessTests : IDisposable
{
    private const string Synthetic =
        "cameras: { a: { synthetic: { width: 64, height: 64, frames: 60, realtime: false } } }\nhttp: { bind: "
        + "'127.0.0.1:0' }\n";

    private readonly ConfigFolder _folder = new();

    [Theory]
    [InlineData(2, "Unrecognized command or argument 'fly'", "fly")]
    [InlineData(2, "Required command was not provided")]
    [InlineData(2, "--seconds needs a number above 0", "run", "--seconds", "0")]
    [InlineData(2, "--seconds needs a number above 0", "run", "--seconds", "12s")]
    [InlineData(2, "--seconds needs a number above 0", "run", "--seconds", "NaN")]
    [InlineData(2, "--seconds needs a number above 0", "run", "--seconds", "1e300")]
    [InlineData(2, "--tolerance needs a number above 0", "models", "verify", "/", "--tolerance", "x")]
    [InlineData(2, "--config needs the name of a file", "run", "--config", "")]
    [InlineData(2, "--config needs the name of a file", "validate", "-c", "")]
    [InlineData(2, "probe needs a source", "probe", "")]
    [InlineData(2, "Option '--truth' expects a single argument", "eval", "--results", "/", "--truth", "/", "--truth",
        "/")]
    [InlineData(2, "--set needs key=value, found 'x'", "run", "--set", "x")]
    [InlineData(2, "probe needs a source, or --camera", "probe")]
    [InlineData(2, "the file '/nowhere.mp4' does not exist", "probe", "/nowhere.mp4")]
    [InlineData(2, "/nowhere.yaml: cannot be read", "validate", "-c", "/nowhere.yaml")]
    [InlineData(0, "0.1.0", "--version")]
    [InlineData(0, "validate", "--help")]
    public async Task Dvis_Arguments_GiveTheirExitCode(int code, string says, params string[] arguments)
    {
        var result = await Tool.DvisAsync(arguments);
        Assert.Equal(code, result.Code);
        Assert.Contains(says, result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_WrongConfiguration_ListsAllErrors_AndIsTwo()
    {
        var file = _folder.Write("c.yaml", Synthetic + "verison: 1\nlogging: { format: xml }\n");
        var (code, output) = await Tool.DvisAsync("run", "-c", file);
        Assert.Equal(
            (2, $"{file}:3:1: verison: found an unknown key; did you mean 'version'?\n{file}:4:20: logging.format: "
                + $"found 'xml', expected one of text, json\ndvis: 2 errors in the configuration\n"),
            (code, output));
    }

    [Fact]
    public async Task Validate_NamesTheProviderThatWouldRunHere()
    {
        var (code, output) = await Tool.DvisAsync("validate", "-c", _folder.Write("c.yaml", Synthetic));
        Assert.Equal(0, code);
        Assert.Matches(@"valid, 1 camera\(s\)\ninference runs on cpu, ONNX Runtime \d+\.\d+\.\d+\n\z", output);
    }

    [Theory]
    [InlineData(0, "inference runs on cpu, ONNX Runtime ", "runtime.provider=[cuda, cpu]")]
    [InlineData(1, "dvis: No execution provider of runtime.provider works: ", "runtime.provider=[cuda]")]
    [InlineData(1, "dvis: runtime.require is cuda, but ", "runtime.provider=[cuda, cpu]", "runtime.require=cuda")]
    public async Task Validate_ProviderThatIsMissing_GivesTheReason_AndNothingElse(int code, string says,
        params string[] set)
    {
        var file = _folder.Write("c.yaml", Synthetic);
        var result = await Tool.DvisAsync(["validate", "-c", file, .. set.SelectMany(s => new[] { "--set", s })]);
        Assert.Equal(code, result.Code);
        var line = result.Output.Split('\n')[1];
        Assert.StartsWith(says, line, StringComparison.Ordinal);
        Assert.Contains("cuda cannot be used here (this build has no GPU libraries: build with -p:Gpu=true)", line,
            StringComparison.Ordinal);
        Assert.Equal(2, result.Output.Count(c => c == '\n')); // the library itself prints nothing
    }

    [Fact]
    public async Task Run_DamagedModel_IsOneSentence_AndOne()
    {
        await File.AppendAllTextAsync(Path.Combine(_folder.Root, "Models/default/tracker.onnx"), "x");
        var (code, output) =
            await Tool.DvisAsync("run", "-c", _folder.Write("c.yaml", Synthetic + "mqtt: { servers: [] }"));
        Assert.Equal(1, code);
        Assert.Contains("tracker.onnx: the file is damaged", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_PortTaken_SaysWhichAndWhatToDo_AndIsOne()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var (code, output) = await Tool.DvisAsync("run", "-c", _folder.Write("c.yaml", Synthetic), "--set",
            $"http.bind=127.0.0.1:{port}");
        Assert.Equal(1, code);
        Assert.Contains($"http.bind: 127.0.0.1:{port} cannot be used", output, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1:0 for any free one", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_StreamThatEnds_DeliversEverything_EndsByItself_AndIsZero()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        var (code, output) = await Tool.DvisAsync("run", "--seconds", "120", "-c",
            _folder.Write("c.yaml", Synthetic + $"mqtt: {{ servers: ['{broker.Url}'] }}"));

        Assert.True(code == 0, output);
        Assert.Contains("a: 60 frames in, 60 processed, 60 final, 0 without a result\n", output,
            StringComparison.Ordinal);
        Assert.Contains("mosquitto_sub -h 127.0.0.1", output, StringComparison.Ordinal);
        await subscriber.WaitTextAsync("dvis/v1/dvis/availability", "offline");
        Assert.Equal(60, (await subscriber.WaitAsync("camera/a/tracks", 60)).Count);
        Assert.Contains(await subscriber.WaitAsync("camera/a/events"), m =>
            m.Text.Contains("io.dvis.camera.offline", StringComparison.Ordinal)
                || m.UserProperties.Contains("io.dvis.camera.offline", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Run_Interrupted_PrintsTheSummary_AndAnEndedFileOnce()
    {
        var scene = Synthetic.Replace("a: {", "endless: { synthetic: { width: 64, height: 64, fps: 10 } }, a: {",
            StringComparison.Ordinal);
        using var process = Tool.StartDvis("run", "-c", _folder.Write("c.yaml", scene + "mqtt: { servers: [] }"));
        var (lines, errors) = (new List<string>(), process.StandardError.ReadToEndAsync());
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            lines.Add(line);
            // Some seconds after the end of the file.
            if (lines.SkipWhile(l => !l.Contains(" a offline", StringComparison.Ordinal))
                .Count(l => l.Contains(" endless online", StringComparison.Ordinal)) == 3
                && line.Contains(" endless online", StringComparison.Ordinal))
                await MosquittoBroker.RunAsync("sh", "-c",
                    string.Create(CultureInfo.InvariantCulture, $"kill -INT {process.Id}"));
        }

        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        Assert.Single(lines, l => l.Contains(" a offline", StringComparison.Ordinal));
        Assert.Contains("a: 60 frames in, 60 processed, 60 final, 0 without a result", lines);
        Assert.Contains(lines, l => l.StartsWith("endless: latency provisional ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData]
    [InlineData("--seconds", "300")]
    public async Task Run_JsonLinesToStandardOutput_PrintsNothingElseThere(params string[] more)
    {
        var file = _folder.Write("c.yaml", Synthetic
            + "mqtt: { servers: [] }\nsinks: { json_lines: { path: '-', lossless: true } }");
        using var process = Tool.StartDvis(["run", "-c", file, .. more]);
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        Assert.Equal(more.Length > 0, (await errors).Contains("a: 60 frames in", StringComparison.Ordinal));
        var lines = (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, l => Assert.StartsWith("{", l, StringComparison.Ordinal));
        Assert.Equal(60, lines.Count(l => l.StartsWith("{\"type\":\"tracks\"", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Run_SinkThatCannotStart_IsOneSentence_AndOne()
    {
        var (code, output) = await Tool.DvisAsync("run", "-c", _folder.Write("c.yaml", Synthetic
            + "mqtt: { servers: [] }\nsinks: { json_lines: { path: /proc/nowhere } }"));
        Assert.Equal(1, code);
        Assert.Contains("dvis: a sink cannot start: ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("http.bind", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Timed_WithoutABroker_IsOne_AndSaysWhy()
    {
        var file = _folder.Write("c.yaml", Synthetic
            + $"mqtt: {{ servers: ['mqtt://127.0.0.1:{FreePorts.Next().ToString(CultureInfo.InvariantCulture)}'] }}");
        var (code, output) = await Tool.DvisAsync("run", "--seconds", "120", "-c", file);
        Assert.Equal(1, code);
        Assert.Contains("dvis: the broker acknowledged no provisional result", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Terminated_SaysGoodbye_AndIsZero()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        var file = _folder.Write("c.yaml", Synthetic.Replace("frames: 60, realtime: false", "fps: 10",
            StringComparison.Ordinal) + $"mqtt: {{ servers: ['{broker.Url}'] }}");
        using var process = Tool.StartDvis("run", "-c", file, "--quiet");
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await subscriber.WaitAsync("camera/a/tracks/final", 2);
        await MosquittoBroker.RunAsync("sh", "-c",
            string.Create(CultureInfo.InvariantCulture, $"kill -TERM {process.Id}"));
        await process.WaitForExitAsync();

        Assert.True(process.ExitCode == 0, await errors);
        Assert.Equal("", await output);
        await subscriber.WaitTextAsync("dvis/v1/dvis/availability", "offline");
        // Every frame that got a provisional result is covered by a final one.
        var (last, covered) =
            (Last(subscriber, "camera/a/tracks", "frame_id"), Last(subscriber, "camera/a/tracks/final", "last_frame"));
        Assert.True(covered >= last, $"{last} provisional, {covered} final");
    }

    /// <summary>The program waits for its configuration, so that it is before the start of the host.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task Run_SignalBeforeTheStart_EndsInOrder(string signal)
    {
        var pipe = Path.Combine(_folder.Root, "pipe.yaml");
        await MosquittoBroker.RunAsync("mkfifo", pipe);
        using var process = Tool.StartDvis("run", "-c", pipe);
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        // Opening waits for the reader.
        await using (var configuration = new FileStream(pipe, FileMode.Open, FileAccess.Write))
        {
            await MosquittoBroker.RunAsync("sh", "-c",
                string.Create(CultureInfo.InvariantCulture, $"kill -{signal} {process.Id}"));
            await configuration.WriteAsync(Encoding.UTF8.GetBytes(
                Synthetic.Replace("frames: 60, realtime: false", "fps: 10", StringComparison.Ordinal)
                + "mqtt: { servers: [] }"));
        }

        await process.WaitForExitAsync();
        Assert.Equal((0, "", ""), (process.ExitCode, await output, await errors));
    }

    [Theory]
    [InlineData(120, "dvis: the limit of open files is 120, but this command needs 128; raise it with ulimit -n, ")]
    [InlineData(200, "dvis: the limit of open files is 200, but one camera needs 268; raise it with ulimit -n, ")]
    public async Task Run_FewOpenFiles_IsOneSentence_AndOne(int limit, string says)
    {
        var file = _folder.Write("c.yaml", Synthetic + "mqtt: { servers: [] }");
        var (code, output) = await Tool.RunAsync("bash",
            ["-c", $"ulimit -n {limit} && exec dotnet \"$@\"", "bash", Tool.Dvis, "run", "-c", file]);
        Assert.Equal(1, code);
        Assert.StartsWith(says, output, StringComparison.Ordinal);
        Assert.Single(output, '\n');
    }

    [Fact]
    public async Task Probe_ShippedSample_TellsWhatItIs()
    {
        Assert.SkipUnless(MosquittoBroker.Executable("ffmpeg") is not null, "ffmpeg is not installed.");
        var (code, output) = await Tool.DvisAsync("probe", Repo.Path("samples/everyday.mp4"));
        Assert.True(code == 0, output);
        Assert.Contains("h264, 512x320, ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Probe_FileThatIsNoVideo_SaysWhy_AndIsOne()
    {
        Assert.SkipUnless(MosquittoBroker.Executable("ffmpeg") is not null, "ffmpeg is not installed.");
        var (code, output) =
            await Tool.DvisAsync("validate", "--probe", "-c", _folder.Write("c.yaml", ConfigFolder.Cameras));
        Assert.Equal(1, code);
        Assert.Contains("\na: ", output, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static long Last(MqttSubscriber subscriber, string topic, string key) =>
        subscriber.On(topic)
        .Max(m =>
            long.Parse(System.Text.RegularExpressions.Regex.Match(m.Text, $"\"{key}\":(\\d+)").Groups[1].Value,
                CultureInfo.InvariantCulture));
}
