using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dvis.Streaming.Benchmarks.Soaking;

/// <summary>
/// The daemon as its own process, with eight cameras (four RTSP with a login, four files; small pictures, three frames
/// a second) while something happens every half minute: a camera comes or goes by reload, another is changed, a
/// decoder, the RTSP server or the broker is killed. What it holds and how late its results are must be at the end what
/// it was at the beginning.
/// </summary>
internal sealed class Soak : IAsyncDisposable
{
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(5);
    private readonly string _folder = Directory.CreateTempSubdirectory("dvis-soak-").FullName;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10) };
    private readonly Stopwatch _clock = new();
    private readonly List<SoakSample> _samples = [];
    private readonly List<(double Minute, double P50, double P99, double FinalP50, double FinalP99)> _minutes = [];
    private readonly int _mqtt = FreePort(), _rtspPort = FreePort(), _web = FreePort();
    private readonly string _model, _server;
    private Process? _broker, _rtsp, _daemon;
    private bool _fourth = true, _guest, _slow;
    private int _guests, _events;

    /// <param name="model">Model folder.</param>
    /// <param name="server">Script that serves files as RTSP: SCRIPT --port PORT --auth USER:PASSWORD FILE...</param>
    public Soak(string model, string server) => (_model, _server) = (Path.GetFullPath(model), Path.GetFullPath(server));

    private int Cameras => 7 + (_fourth ? 1 : 0) + (_guest ? 1 : 0);

    /// <summary>Runs, writes soak.csv and soak.svg into <paramref name="output"/> and prints a verdict a quantity;
    /// exit code 1 when one is not flat.</summary>
    public async Task<int> RunAsync(double minutes, TimeSpan churn, string output)
    {
        await MakeClipsAsync();
        StartBroker();
        StartRtsp();
        WriteConfig();
        _daemon = Start("dotnet", Path.Combine(AppContext.BaseDirectory, "dvis.dll"), "run", "-c",
            Path.Combine(_folder, "config.yaml"), "--quiet");
        await using var listener = new SoakListener(_mqtt);
        listener.Start();
        _clock.Start();
        var (disturbed, minute) = (TimeSpan.Zero, 1);
        while (_clock.Elapsed.TotalMinutes < minutes && !_daemon.HasExited)
        {
            await Task.Delay(Between, TimeProvider.System);
            if (SoakSample.Read(_clock.Elapsed.TotalSeconds, Cameras, _daemon.Id, await MetricsAsync()) is { } sample)
                _samples.Add(sample);
            if (_clock.Elapsed.TotalMinutes >= minute)
            {
                var (p50, p99, finalP50, finalP99) = listener.Minute();
                _minutes.Add((minute++, p50, p99, finalP50, finalP99));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{_samples.LastOrDefault()}  p50 {p50:0.0} p99 {p99:0.0} ms, final {finalP50:0} {finalP99:0} ms"));
            }

            if (_clock.Elapsed - disturbed < churn) continue;
            disturbed = _clock.Elapsed;
            await DisturbAsync();
        }

        var crashed = _daemon.HasExited;
        if (!crashed) await StopAsync(_daemon);
        await Task.Delay(Between, TimeProvider.System); // the last finals reach the listener
        Directory.CreateDirectory(output);
        await File.WriteAllLinesAsync(Path.Combine(output, "soak.csv"),
            [SoakSample.Header, .. _samples.Select(sample => sample.ToString())]);
        await File.WriteAllTextAsync(Path.Combine(output, "soak.svg"), Plot());
        Console.WriteLine(
            $"{_events} disturbances, {listener.Provisional} provisional and {listener.Finals} final messages of "
            + $"{listener.Epochs} epochs, {listener.Repeated} finals repeated, {listener.Faults.Count} out of order "
                + $"or missing; exit code {_daemon.ExitCode}");
        foreach (var fault in listener.Faults.Take(10)) Console.WriteLine(fault);
        return Verdict() && !crashed && _daemon.ExitCode == 0 && listener.Faults.Count == 0 ? 0 : 1;
    }

    /// <summary>The first and the last quarter against each other, the first two minutes left out:
    /// everything has started by then.</summary>
    private bool Verdict()
    {
        var rest = _samples.Where(sample => sample.Seconds > 120).ToArray();
        var (first, last) = (rest[..(rest.Length / 4)], rest[^(rest.Length / 4)..]);
        var good = true;
        void Judge(string name, double before, double after, double bound, string unit)
        {
            var flat = after <= bound;
            good &= flat;
            Console.WriteLine(
                string.Create(CultureInfo.InvariantCulture,
                    $"{name,-22} {before,9:0.0} -> {after,9:0.0} {unit,-4} at most {bound,9:0.0}  "
                    + $"{(flat ? "flat" : "GREW")}"));
        }

        void Compare(string name, Func<SoakSample, double> value, double factor, double more, string unit = "")
        {
            var before = Median(first.Select(value));
            Judge(name, before, Median(last.Select(value)), before * factor + more, unit);
        }

        Compare("resident memory", s => s.ResidentMiB, 1.05, 0, "MiB");
        Compare("handles", s => s.Handles, 1.02, 8);
        Compare("threads", s => s.Threads, 1, 4);
        Compare("child processes", s => s.Children, 1, 1);
        Compare("buffers in use", s => s.Buffers, 1.05, 8);
        Compare("outbox", s => s.Outbox, 1, 50);
        Compare("metric series", s => s.Series, 1.05, 0);
        var quarter = Math.Max(1, (_minutes.Count - 2) / 4);
        var (early, late) = (_minutes.Skip(2).Take(quarter).ToArray(), _minutes.TakeLast(quarter).ToArray());
        var (p99, final) = (Median(early.Select(m => m.P99)), Median(early.Select(m => m.FinalP99)));
        Judge("p99 provisional", p99, Median(late.Select(m => m.P99)), p99 * 1.5, "ms");
        Judge("p99 final", final, Median(late.Select(m => m.FinalP99)), final * 1.5, "ms");
        var slope = Slope(rest[(rest.Length / 2)..]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"resident memory, slope of the second half: {slope:+0.000;-0.000} MiB a minute"));
        return good;
    }

    private string Plot()
    {
        (double, double)[] Curve(Func<SoakSample, double> value) =>
            [.. _samples.Select(sample => (sample.Seconds / 60, value(sample)))];
        var plot = new SoakPlot();
        plot.Add("Memory, MiB", ("resident", Curve(s => s.ResidentMiB)), ("native pools", Curve(s => s.PoolMiB)),
            ("managed heap", Curve(s => s.HeapMiB)));
        plot.Add("Handles, threads, child processes", ("handles", Curve(s => s.Handles)),
            ("threads", Curve(s => s.Threads)), ("children", Curve(s => s.Children)));
        plot.Add("Cameras, messages that wait for the broker", ("cameras", Curve(s => s.Cameras)),
            ("outbox", Curve(s => s.Outbox)));
        plot.Add("Provisional result after the frame, ms, by the minute",
            ("p50", [.. _minutes.Select(m => (m.Minute, m.P50))]),
            ("p99", [.. _minutes.Select(m => (m.Minute, m.P99))]));
        plot.Add("Final result after the frame, ms, by the minute",
            ("p50", [.. _minutes.Select(m => (m.Minute, m.FinalP50))]),
            ("p99", [.. _minutes.Select(m => (m.Minute, m.FinalP99))]));
        return plot.ToString();
    }

    private async Task DisturbAsync()
    {
        switch (_events++ % 8)
        {
            case 0: // a camera goes, one with a name never used before comes
                (_fourth, _guest) = (false, true);
                _guests++;
                WriteConfig();
                break;
            case 1: // as before
                (_fourth, _guest) = (true, false);
                WriteConfig();
                break;
            case 2 or 6: // a camera is changed
                _slow = !_slow;
                WriteConfig();
                break;
            case 3 or 7: // a decoder dies
                var decoders = SoakSample.ChildrenOf(_daemon!.Id);
                if (decoders.Count > 0) Process.GetProcessById(decoders[_events % decoders.Count]).Kill();
                break;
            case 4:
                await KillAsync(_rtsp!);
                await Task.Delay(Between, TimeProvider.System);
                StartRtsp();
                break;
            default:
                await KillAsync(_broker!);
                await Task.Delay(Between, TimeProvider.System);
                StartBroker();
                break;
        }
    }

    /// <summary>Eight stretches of the repeated sample, small and slow, two minutes each.</summary>
    private async Task MakeClipsAsync()
    {
        for (var i = 0; i < 8; i++)
        {
            using var ffmpeg = Start("ffmpeg", "-nostdin", "-v", "error", "-stream_loop", "-1", "-ss", $"{i}", "-i",
                "samples/everyday.mp4", "-t", "120",
                "-vf", "scale=256:160,fps=3", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "6",
                "-pix_fmt", "yuv420p", Clip(i));
            await ffmpeg.WaitForExitAsync();
            if (ffmpeg.ExitCode != 0)
                throw new InvalidOperationException(
                    "ffmpeg could not make the clips of the soak; run it in the repository's root");
        }
    }

    private void WriteConfig()
    {
        var text = new StringBuilder($"""
            version: 1
            node: {"{ id: soak }"}
            model: {"{"} path: "{_model}" {"}"}
            mqtt:
              servers: ["mqtt://127.0.0.1:{_mqtt}"]
              outbox: {"{"} path: "{_folder}/outbox" {"}"}
              backoff: {"{ initial: 200ms, max: 2s }"}
            http: {"{"} bind: "127.0.0.1:{_web}" {"}"}
            logging: {"{ level: warning }"}
            defaults: {"{ rtsp: { stall_timeout: 5s, backoff: { initial: 500ms, max: 2s } }, queue: { max_age: 2s } }"}
            cameras:

            """);
        for (var i = 0; i < 4; i++) Add($"net{i}", $"url: \"rtsp://soak:soak@127.0.0.1:{_rtspPort}/cam{i + 1}\"");
        for (var i = 4; i < (_fourth ? 8 : 7); i++)
            Add($"file{i}", $"{Looped(i)}, track: {{ min_score: {(i == 5 && _slow ? 0.4 : 0.3)} }}");
        if (_guest) Add($"guest{_guests}", $"{Looped(7)}");
        var fresh = Path.Combine(_folder, "config.new");
        File.WriteAllText(fresh, text.ToString());
        File.Move(fresh, Path.Combine(_folder, "config.yaml"), overwrite: true);

        string Looped(int clip) => $"file: {Clip(clip)}, loop: true, realtime: true";

        void Add(string name, FormattableString settings)
            => text.Append(CultureInfo.InvariantCulture,
                $"  {name}: {{ domain: rendered, {FormattableString.Invariant(settings)} }}\n");
    }

    private void StartBroker()
    {
        var config = Path.Combine(_folder, "mosquitto.conf");
        // Started as root, it would drop to a user that may not write its folder, and save nothing.
        File.WriteAllText(config, $"""
            user root
            listener {_mqtt} 127.0.0.1
            allow_anonymous true
            persistence true
            persistence_location {_folder}/
            autosave_on_changes true
            autosave_interval 1
            max_queued_messages 0

            """);
        _broker = Start("mosquitto", "-c", config);
    }

    private void StartRtsp() =>
        _rtsp = Start("/usr/bin/python3",
            [_server, "--port", $"{_rtspPort}", "--auth", "soak:soak", .. Enumerable.Range(0, 4).Select(Clip)]);

    private string Clip(int i) => Path.Combine(_folder, $"{i}.mp4");

    private async Task<string> MetricsAsync()
    {
        try
        {
            return await _http.GetStringAsync(new Uri($"http://127.0.0.1:{_web}/metrics"));
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return "";
        }
    }

    private Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        var log = Path.Combine(_folder, $"{Path.GetFileName(program)}.log");
        void Keep(string? line)
        {
            if (line is null) return;
            lock (_http) File.AppendAllText(log, line + "\n");
        }

        process.OutputDataReceived += (_, e) => Keep(e.Data);
        process.ErrorDataReceived += (_, e) => Keep(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static async Task KillAsync(Process process)
    {
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private static async Task StopAsync(Process process)
    {
        using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        await process.WaitForExitAsync();
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Where(double.IsFinite).Order().ToArray();
        return sorted.Length == 0 ? double.NaN : sorted[sorted.Length / 2];
    }

    /// <summary>Least squares, MiB a minute.</summary>
    private static double Slope(SoakSample[] samples)
    {
        var (x, y) = (samples.Average(s => s.Seconds / 60), samples.Average(s => s.ResidentMiB));
        return samples.Sum(s => (s.Seconds / 60 - x) * (s.ResidentMiB - y))
            / samples.Sum(s => (s.Seconds / 60 - x) * (s.Seconds / 60 - x));
    }

    /// <summary>Port of 127.0.0.1 on which nothing listens.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in new[] { _daemon, _rtsp, _broker })
            if (process is not null) await KillAsync(process);
        _http.Dispose();
        Console.WriteLine($"logs: {_folder}");
    }
}
