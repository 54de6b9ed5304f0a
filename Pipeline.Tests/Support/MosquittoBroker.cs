using System.Diagnostics;
using System.Globalization;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>A real broker of one test's own: free loopback port,
/// configuration in a folder that goes with it, ended by its process id.</summary>
internal sealed class MosquittoBroker : IAsyncDisposable
{
    /// <summary>Retained on every broker: who receives it is subscribed.</summary>
    public const string ReadyTopic = "test/ready";

    private readonly string _folder;
    private readonly string[] _settings;
    private readonly (string User, string Password)? _login;
    private readonly bool _announceReady;
    private Process? _process;

    private MosquittoBroker(string folder, string[] settings, (string, string)? login, bool announceReady)
        => (_folder, _settings, _login, _announceReady, Port) =
            (folder, settings, login, announceReady, FreePorts.Next());

    public int Port { get; }

    public string Url => $"mqtt://127.0.0.1:{Port}";

    /// <summary>Starts one; skips the test visibly where mosquitto is not installed.</summary>
    /// <param name="settings">Lines of mosquitto.conf for the listener;
    /// <c>{folder}</c> stands for the broker's folder.</param>
    /// <param name="prepare">Gets the folder before the broker starts.</param>
    /// <param name="announceReady">False where the command-line clients cannot get in;
    /// they cannot subscribe then.</param>
    public static async Task<MosquittoBroker> StartAsync(
        string[]? settings = null, (string User, string Password)? login = null, Action<string>? prepare = null,
        bool announceReady = true)
    {
        Assert.SkipUnless(Executable("mosquitto") is not null
            && Executable("mosquitto_sub") is not null, "mosquitto or mosquitto-clients is not installed.");
        var folder = Directory.CreateTempSubdirectory("dvis-broker-").FullName;
        prepare?.Invoke(folder);
        var broker = new MosquittoBroker(folder, settings ?? [], login, announceReady);
        if (login is { } l)
        {
            var passwords = Path.Combine(folder, "passwd");
            await File.WriteAllTextAsync(passwords, "");
            await RunAsync("mosquitto_passwd", "-b", passwords, l.User, l.Password);
        }

        await broker.StartAsync();
        return broker;
    }

    public async Task StartAsync()
    {
        string[] lines =
        [
            "user root", // started as root, it would drop to a user that may not read its folder
            $"listener {Port} 127.0.0.1",
            _login is null ? "allow_anonymous true" : $"allow_anonymous false\npassword_file {_folder}/passwd",
            .. _settings.Select(s => s.Replace("{folder}", _folder, StringComparison.Ordinal)),
        ];
        var configuration = Path.Combine(_folder, "mosquitto.conf");
        await File.WriteAllLinesAsync(configuration, lines);
        _process = Process.Start(new ProcessStartInfo(Executable("mosquitto")!, ["-c", configuration])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        var log = _process.StandardError.ReadToEndAsync();
        await Eventually.TrueAsync(async () =>
        {
            if (_process.HasExited) throw new InvalidOperationException($"mosquitto did not start: {await log}");
            return await FreePorts.IsOpenAsync(Port);
        });
        if (_announceReady)
            await RunAsync("mosquitto_pub", [.. ClientArguments(), "-r", "-q", "1", "-t", ReadyTopic, "-m", "ready"]);
    }

    /// <summary>As a crash: no goodbye to anybody.</summary>
    public async Task KillAsync()
    {
        if (_process is not { } process) return;
        _process = null;
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    /// <summary>As a service manager does: it stores what its settings tell it to.</summary>
    public async Task StopAsync()
    {
        await SignalAsync("TERM");
        await _process!.WaitForExitAsync();
        await KillAsync();
    }

    /// <summary>For example <c>STOP</c>, which keeps the connections and says nothing any more.</summary>
    public Task SignalAsync(string signal) =>
        RunAsync("sh", "-c", string.Create(CultureInfo.InvariantCulture, $"kill -{signal} {_process!.Id}"));

    /// <summary>How command-line clients get in.</summary>
    public string[] ClientArguments() =>
    [
        "-h", "127.0.0.1", "-p", Port.ToString(CultureInfo.InvariantCulture),
        .. _login is { } l ? (string[])["-u", l.User, "-P", l.Password] : [],
    ];

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Directory.Delete(_folder, recursive: true);
    }

    public static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Executable(program) ?? program, arguments)
        { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var (errors, output) = (process.StandardError.ReadToEndAsync(), process.StandardOutput.ReadToEndAsync());
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new InvalidOperationException(
                $"{program} exited with {process.ExitCode}: {await errors}{await output}");
    }

    /// <summary>Debian puts the broker into /usr/sbin, which is not everybody's path.</summary>
    public static string? Executable(string name)
        => (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/usr/bin").Split(':')
            .Select(p => Path.Combine(p, name)).FirstOrDefault(File.Exists);
}
