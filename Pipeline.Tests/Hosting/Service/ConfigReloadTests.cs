using System.Collections.Concurrent;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Service;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Service;

/// <summary>What a changed configuration does to the cameras: with sources that note when they begin and end.</summary>
public sealed class ConfigReloadTests : IAsyncDisposable
{
    private const string Rest = "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0' }\n";

    private readonly ReloadRig _rig = new();
    private readonly ConcurrentQueue<string> _happened = new();

    [Fact]
    public async Task Reload_CameraAdded_BeginsAndNobodyElseNotices()
    {
        await StartAsync(Cameras("a"));
        await _rig.ReloadAsync(Cameras("a", "b"), "applied");
        await HappenedAsync("+a", "+b");
        Assert.Equal(["a", "b"], _rig.State.Cameras.Select(c => c.Name));
        Assert.Equal(["added b"], _rig.Log.Where(l => l.Id == 4301).Select(l => l.Text.Split(": ")[1].TrimEnd('.')));
    }

    [Fact]
    public async Task Reload_CameraRemoved_EndsAndItsSeriesVanish_AndNobodyElseNotices()
    {
        await StartAsync(Cameras("a", "b"));
        var metrics = _rig.Services.GetRequiredService<PipelineMetrics>();
        var (a, b) = (metrics.Camera("a"), metrics.Camera("b"));
        a.Initialize();
        b.Initialize();
        a.FramesProcessed("final");
        Assert.Contains("camera=\"b\"", _rig.Metrics, StringComparison.Ordinal);

        await _rig.ReloadAsync(Cameras("a"), "applied");
        await HappenedAsync("+a", "+b", "-b");
        b.FramesProcessed("final"); // a straggler
        var page = _rig.Metrics;
        Assert.DoesNotContain("camera=\"b\"", page, StringComparison.Ordinal);
        Assert.Contains("dvis_frames_processed_total{camera=\"a\",stage=\"final\"} 1", page.Split('\n'));
        Assert.Equal(["a"], _rig.State.Cameras.Select(c => c.Name));
        Assert.Equal(["a"], (await _rig.ReadyAsync()).GetProperty("cameras").EnumerateArray()
            .Select(c => c.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task Reload_CameraChanged_BeginsAnew_AloneAndAlsoByWhatItInherits()
    {
        await StartAsync(Cameras("a", "b"));
        await _rig.ReloadAsync("cameras: { a: { file: a.mp4 }, b: { file: a.mp4, rate: { max_fps: 5 } } }\n"
            + Rest, "applied");
        await HappenedAsync("+a", "+b", "-b", "+b");

        // All inherit it but the one that says otherwise.
        await _rig.ReloadAsync(
            "defaults: { rate: { max_fps: 5 } }\ncameras: { a: { file: a.mp4 }, b: { file: a.mp4 } }\n"
            + Rest, "applied");
        await HappenedAsync("+a", "+b", "-b", "+b", "-a", "+a");
        Assert.Equal(5, _rig.Services.GetRequiredService<CurrentConfig>().Options.Cameras["a"].Source.Rate.MaxFps);
    }

    [Fact]
    public async Task Reload_RulesOfAClassChanged_ChangesThatCameraAlone()
    {
        await StartAsync(Rules(a: 5, b: 5));
        await _rig.ReloadAsync(Rules(a: 5, b: 6), "applied");
        await HappenedAsync("+a", "+b", "-b", "+b");

        static string Rules(int a, int b) => $"cameras: {{ a: {Camera(a)}, b: {Camera(b)} }}\n{Rest}";
        static string Camera(int area) =>
            $"{{ file: a.mp4, track: {{ classes: {{ circle: {{ min_area: {area} }} }} }} }}";
    }

    [Fact]
    public async Task Reload_ZoneAddedMovedAndRemoved_ChangesThatCameraAlone()
    {
        await StartAsync(Zones(""));
        await _rig.ReloadAsync(Zones("zones: { door: { polygon: [[0, 0], [1, 0], [1, 1]] } }"), "applied");
        await HappenedAsync("+a", "+b", "-b", "+b");
        await _rig.ReloadAsync(Zones("zones: { door: { polygon: [[0, 0], [1, 0], [1, 0.5]] } }"), "applied");
        await HappenedAsync("+a", "+b", "-b", "+b", "-b", "+b");
        await _rig.ReloadAsync(Zones("lines: { door: { points: [[0, 0], [1, 0.5]] } }"), "applied");
        await HappenedAsync("+a", "+b", "-b", "+b", "-b", "+b", "-b", "+b");

        static string Zones(string shapes) =>
            $"cameras: {{ a: {{ file: a.mp4 }}, b: {{ file: a.mp4, {shapes} }} }}\n{Rest}";
    }

    /// <summary>Real pipelines of each method: cameras come, change and go while another runs on.</summary>
    [Theory, MemberData(nameof(TinyModels.Names), MemberType = typeof(TinyModels))]
    public async Task Reload_CamerasOfAnyMethod_HaveResultsBeforeAndAfter(string method)
    {
        var model = TinyModels.Write(method, Path.Combine(_rig.Folder.Root, "model"));
        await _rig.StartAsync(Yaml(Camera("a")));
        await ResultsAsync("a", 0);

        await _rig.ReloadAsync(Yaml(Camera("a"), Camera("b")), "applied");
        await ResultsAsync("b", 0);
        await _rig.ReloadAsync(Yaml(Camera("a"), Camera("b", ", track: { confirm_frames: 3 }")), "applied");
        await ResultsAsync("b", _rig.Camera("b").Metrics.Tally.Final);
        await _rig.ReloadAsync(Yaml(Camera("b", ", track: { confirm_frames: 3 }")), "applied");
        await ResultsAsync("b", _rig.Camera("b").Metrics.Tally.Final);

        Assert.Equal(["b"], _rig.State.Cameras.Select(c => c.Name));
        Assert.Equal(method.StartsWith("genvis", StringComparison.Ordinal),
            _rig.Metrics.Contains("dvis_memory_clips{camera=\"b\"}", StringComparison.Ordinal));

        string Yaml(params string[] cameras) => $$"""
            model: { path: '{{model}}' }
            cameras: { {{string.Join(", ", cameras)}} }
            {{Rest}}
            """;

        static string Camera(string name, string more = "") =>
            $"{name}: {{ synthetic: {{ width: 64, height: 32 }}{more} }}";

        Task ResultsAsync(string camera, long before) => Eventually.TrueAsync(
            () => _rig.Camera(camera).Metrics.Tally.Final > before, $"{camera} has finals");
    }

    [Fact]
    public async Task Reload_Invalid_KeepsTheOldConfiguration_AndSaysSoEverywhere()
    {
        await StartAsync(Cameras("a"));
        await MeasuredAsync("dvis_config_last_reload_successful{} 1\n");

        await _rig.ReloadAsync("camras: {}\nlogging: { level: loud }\n", "invalid");
        await HappenedAsync("+a");
        var told = Assert.Single(_rig.Log, l => l.Id == 4303).Text;
        foreach (var error in (string[])["camras: found an unknown key; did you mean 'cameras'?",
            "logging.level: found 'loud'", "cameras: found no camera"])
        {
            Assert.Contains(error, told, StringComparison.Ordinal);
            Assert.Contains(error, (await _rig.ReadyAsync()).GetProperty("config").GetProperty("detail")
                .GetString(), StringComparison.Ordinal);
        }

        await MeasuredAsync("dvis_config_last_reload_successful{} 0\n");
        await MeasuredAsync("dvis_config_reloads_total{outcome=\"invalid\"} 1\n");
        for (var i = 0; i < 5; i++) _rig.Look();
        Assert.Single(_rig.Log);

        // Mended, with a new camera.
        await _rig.ReloadAsync(Cameras("a", "b"), "applied");
        await HappenedAsync("+a", "+b");
        await MeasuredAsync("dvis_config_last_reload_successful{} 1\n");
    }

    [Fact]
    public async Task Reload_NameThatNoFileCanHave_IsInvalid_AndReloadingGoesOn()
    {
        await StartAsync(Cameras("a"));
        await _rig.ReloadAsync("include: [\"b\\0.yaml\"]\n" + Cameras("a"), "invalid");
        for (var i = 0; i < 5; i++) _rig.Look();
        await _rig.ReloadAsync(Cameras("a", "b"), "applied");
        await HappenedAsync("+a", "+b");
    }

    [Fact]
    public async Task Reload_FileGoneForAWhile_IsInvalidUntilItIsBack()
    {
        await StartAsync(Cameras("a"));
        File.Delete(Path.Combine(_rig.Folder.Root, "config.yaml"));
        Assert.Contains("cannot be read", (await _rig.SettleAsync("invalid")).Detail, StringComparison.Ordinal);
        await _rig.ReloadAsync(Cameras("a"), "unchanged");
        await HappenedAsync("+a");
    }

    [Fact]
    public async Task Reload_KeysThatNeedARestart_AreRefusedByName_AndNothingIsApplied()
    {
        await StartAsync(Cameras("a"));
        var yaml = Cameras("a", "b")
            .Replace("servers: []", "servers: ['mqtt://other-host'], password: hunter2-hunter2, username: u",
                StringComparison.Ordinal) + "model: { refiner: { window: 12 } }\n";
        var report = await _rig.ReloadAsync(yaml, "refused");
        Assert.Equal(
            "model.refiner.window, mqtt.servers, mqtt.username, mqtt.password cannot change while the program runs, "
            + "so nothing was changed; restart it", report.Detail);
        Assert.DoesNotContain("hunter2", string.Concat(_rig.Log.Select(l => l.Text)), StringComparison.Ordinal);
        await HappenedAsync("+a");
        Assert.Equal(["a"], _rig.Services.GetRequiredService<CurrentConfig>().Options.Cameras.Keys);
    }

    [Fact]
    public async Task Reload_IncludedFileAddedChangedAndRemoved_IsNoticed()
    {
        const string Main = "include: ['cameras.d/*.yaml']\ncameras: { a: { file: a.mp4 } }\n" + Rest;
        await StartAsync(Main);
        _rig.Folder.Write("cameras.d/b.yaml", "cameras: { b: { file: ../a.mp4 } }");
        // Paths count from the folder of the main file.
        Assert.Contains("does not exist", (await _rig.SettleAsync("invalid")).Detail, StringComparison.Ordinal);
        _rig.Folder.Write("cameras.d/b.yaml", "cameras: { b: { file: a.mp4 } }");
        await _rig.SettleAsync("applied");
        _rig.Folder.Write("cameras.d/b.yaml", "cameras: { b: { file: a.mp4, loop: true } }");
        await _rig.SettleAsync("applied");
        File.Delete(Path.Combine(_rig.Folder.Root, "cameras.d/b.yaml"));
        await _rig.SettleAsync("applied");
        await HappenedAsync("+a", "+b", "-b", "+b", "-b");
    }

    [Fact]
    public async Task Reload_LinkTurnedToAnotherFolder_IsNoticed()
    {
        // As Kubernetes swaps the folder behind a mounted file.
        var root = _rig.Folder.Root;
        _rig.Folder.Write("v1/cameras.yaml", "cameras: { b: { file: a.mp4 } }");
        _rig.Folder.Write("v2/cameras.yaml", "cameras: { c: { file: a.mp4 } }");
        Directory.CreateSymbolicLink(Path.Combine(root, "data"), "v1");
        File.CreateSymbolicLink(Path.Combine(root, "cameras.yaml"), "data/cameras.yaml");
        await StartAsync("include: [cameras.yaml]\ncameras: { a: { file: a.mp4 } }\n" + Rest);
        Directory.CreateSymbolicLink(Path.Combine(root, "data.new"), "v2");
        await MosquittoBroker.RunAsync("mv", "-T", Path.Combine(root, "data.new"), Path.Combine(root, "data"));
        await _rig.SettleAsync("applied");
        Assert.Equal(["a", "c"], _rig.Services.GetRequiredService<CurrentConfig>().Options.Cameras.Keys);
    }

    [Fact]
    public async Task Reload_FileStillBeingWritten_WaitsUntilItStaysTheSame()
    {
        await StartAsync(Cameras("a"));
        for (var i = 0; i < 5; i++)
        {
            _rig.Folder.Write("config.yaml", "cameras: { a: { file: a.mp4 } }\n" + new string('#', i + 1));
            _rig.Look();
        }

        // A first look at each state is never enough; the looks that pass now are.
        Assert.Null(_rig.State.Reload);
        _rig.Folder.Write("config.yaml", Cameras("a", "b"));
        await _rig.SettleAsync("applied");
        await HappenedAsync("+a", "+b");
    }

    [Fact]
    public async Task Ask_NothingChanged_IsReadAgain_AndSoAreSecretsInFiles()
    {
        _rig.Folder.Write("pass", "first-secret");
        await StartAsync("cameras: { a: { url: 'rtsp://h/x', username: u, password_file: pass } }\n" + Rest);
        var reloader = _rig.Services.GetRequiredService<ConfigReloader>();
        reloader.Ask();
        await _rig.SettleAsync("unchanged");
        await HappenedAsync("+a");

        _rig.Folder.Write("pass", "second-secret");
        reloader.Ask();
        await _rig.SettleAsync("applied");
        await HappenedAsync("+a", "-a", "+a");
        Assert.Equal(["first-secret", "second-secret"], _rig.Services.GetRequiredService<CurrentConfig>().Secrets
            .Where(s => s.EndsWith("-secret", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Reload_OnlyRunningCameraChanged_DoesNotEndTheRun_AndAFailureIsForgiven()
    {
        var lives = 0;
        await StartAsync(Cameras("a", "b"), (name, stop) =>
            name == "a" && lives++ == 0 ? Task.FromResult(false) : ScriptedCamera.UntilStoppedAsync(name, stop));
        await Eventually.TrueAsync(() => _rig.State.Failures.Count == 1);
        await _rig.ReloadAsync("cameras: { a: { file: a.mp4, loop: true } }\n" + Rest, "applied");
        Assert.Empty(_rig.State.Failures);
        await _rig.ReloadAsync("cameras: { a: { file: a.mp4 } }\n" + Rest, "applied");
        await HappenedAsync("+a", "-a", "+a", "-a", "+a", "+b", "-b");
        Assert.False(_rig.State.Over);
    }

    [Fact]
    public async Task Fleet_RemovedCameraHangs_IsLeftBehind_AndTheOthersChangeAllTheSame()
    {
        var (time, log, never) = (new ManualTime(), new CollectingLogger(), new TaskCompletionSource<bool>());
        await StartAsync(
            Cameras("hangs", "a"),
            (name, stop) => name == "hangs" ? never.Task : ScriptedCamera.UntilStoppedAsync(name, stop),
            services => services.AddSingleton<TimeProvider>(time).AddSingleton<ILoggerProvider>(log));
        await HappenedAsync("+hangs", "+a");
        var changed = _rig.ReloadAsync(Cameras("a", "b"), "applied");
        await Eventually.TrueAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return changed.IsCompleted;
        });
        await changed;
        Assert.Equal([4201], log.Entries.Select(e => e.Id).Where(id => id is > 4100 and < 4300));
        await HappenedAsync("+hangs", "+a", "+b");
        Assert.Equal(["a", "b"], _rig.State.Cameras.Select(c => c.Name));
        await _rig.StopAsync();
        Assert.Empty(_rig.State.Failures);
        never.SetResult(true);
    }

    [Fact]
    public async Task Hangup_ReadsTheConfigurationAgain_AndTheProgramRunsOn()
    {
        const string Yaml =
            "cameras: { a: { synthetic: { width: 64, height: 64 } } }\nmqtt: { servers: [] }\nhttp: { bind: "
            + "'127.0.0.1:0' }\n";
        using var process = Tool.StartDvis("run", "-c", _rig.Folder.Write("c.yaml", Yaml));
        var errors = process.StandardError;
        try
        {
            await UntilAsync(errors, "Camera a: online");
            await MosquittoBroker.RunAsync("sh", "-c", $"kill -HUP {process.Id}");
            await UntilAsync(errors, "was read again and is the same");
        }
        finally
        {
            if (!process.HasExited) await MosquittoBroker.RunAsync("sh", "-c", $"kill -TERM {process.Id}");
        }

        _ = process.StandardOutput.ReadToEndAsync();
        _ = errors.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    public async ValueTask DisposeAsync() => await _rig.DisposeAsync();

    private static async Task UntilAsync(StreamReader lines, string text)
    {
        var seen = new List<string>();
        while (await lines.ReadLineAsync() is { } line)
        {
            seen.Add(line);
            if (line.Contains(text, StringComparison.Ordinal)) return;
        }

        Assert.Fail($"'{text}' was not said: {string.Join('\n', seen)}");
    }

    private static string Cameras(params string[] names) =>
        $"cameras: {{ {string.Join(", ", names.Select(n => $"{n}: {{ file: a.mp4 }}"))} }}\n{Rest}";

    private async Task StartAsync(
        string yaml, Func<string, CancellationToken, Task<bool>>? run = null,
        Action<IServiceCollection>? adjust = null) =>
        await _rig.StartAsync(yaml, services =>
        {
            adjust?.Invoke(services);
            ScriptedCamera.Use(services, async (name, stop) =>
            {
                _happened.Enqueue("+" + name);
                var well = await (run ?? ScriptedCamera.UntilStoppedAsync)(name, stop);
                _happened.Enqueue("-" + name);
                return well;
            });
        });

    /// <summary>A page is served again for a moment, so what was just measured may not stand on it yet.</summary>
    private Task MeasuredAsync(string line) =>
        Eventually.TrueAsync(() => _rig.Metrics.Contains(line, StringComparison.Ordinal), line);

    /// <summary>In this order for each camera; cameras begin and end in parallel.</summary>
    private async Task HappenedAsync(params string[] expected)
    {
        await Eventually.TrueAsync(() => _happened.Count >= expected.Length);
        Assert.Equal(expected.GroupBy(e => e[1..]).SelectMany(g => g).Order(), _happened.GroupBy(e => e[1..])
            .SelectMany(g => g).Order());
        foreach (var camera in expected.Select(e => e[1..]).Distinct())
            Assert.Equal(expected.Where(e => e[1..] == camera), _happened.Where(e => e[1..] == camera));
    }
}
