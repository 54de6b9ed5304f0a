using System.Text.Json;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Hosting.Service;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;

/// <summary>A model of rendered scenes on real cameras: log, state, health and banner warn.</summary>
public sealed class CameraWarningTests : IAsyncDisposable
{
    private const int Warned = 4501;
    private const string Sentence =
        "The model 'tiny' was trained on rendered shapes; it does not recognise objects of a real camera. "
        + "Set model.path to Models/default.";

    private readonly ReloadRig _rig = new();
    private readonly Clips _clips = new();
    private readonly CollectingLogger _log = new();

    [Theory]
    [InlineData("url: 'rtsp://h/x'", true)]
    [InlineData("url: 'rtsp://h/x', domain: auto", true)]
    [InlineData("url: 'rtsp://h/x', domain: rendered", false)]
    [InlineData("file: a.mp4", true)]
    [InlineData("file: a.mp4, domain: real", true)]
    [InlineData("file: a.mp4, domain: rendered", false)]
    [InlineData("synthetic: {}", false)]
    [InlineData("synthetic: {}, domain: auto", false)]
    [InlineData("synthetic: {}, domain: real", true)]
    public void Of_RenderedModel_WarnsAboutCamerasThatAreNotRendered(string camera, bool warned)
    {
        var options = _rig.Folder.Load($"cameras: {{ a: {{ {camera} }} }}").Options.Cameras["a"];

        Assert.Equal(
            warned ? [new CameraWarning(CameraWarningKind.ModelDomain, Sentence)] : [],
            options.WarningsWith(Model(ModelDomain.Rendered)));
        Assert.Empty(options.WarningsWith(Model(ModelDomain.Real)));
    }

    [Theory]
    [InlineData("painted", "'painted', expected one of auto, real, rendered")]
    [InlineData("rendred", "'rendred', expected one of auto, real, rendered; did you mean 'rendered'?")]
    [InlineData("Real", "'Real', expected one of auto, real, rendered; did you mean 'real'?")]
    [InlineData("[real]", "a list, expected a single value")]
    public void Load_AnyOtherDomain_NamesPlaceKeyFoundAndExpected(string domain, string expected) => Assert.Equal(
        [$"config.yaml:1:38: cameras.a.domain: found {expected}"],
        _rig.Folder.Errors($"cameras: {{ a: {{ file: a.mp4, domain: {domain} }} }}"));

    [Fact]
    public void Banner_RealCameras_ShareOneLine()
    {
        WriteModel();
        const string Cameras = "cameras: { a: { file: a.mp4 }, b: { url: 'rtsp://h/x' }, s: { synthetic: {} } }";
        var config = _rig.Folder.Load(Cameras);

        var warnings = RunBanner.Lines(config, "").Where(l => l.Contains("warning", StringComparison.Ordinal));

        Assert.Equal([$"  warning  a, b: {Sentence}"], warnings);
    }

    /// <summary>
    /// A looped file and a synthetic camera on a model of rendered scenes. The first reload changes the file's camera
    /// and adds two, of which one is away and tries to connect again and again; the second says the file is rendered.
    /// </summary>
    [Fact]
    public async Task Run_RenderedModel_WarnsOncePerRealCamera_InLogStateAndHealth()
    {
        WriteModel();
        var clip = await _clips.MakeAsync("clip.avi");
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        const string Drawn = "drawn: { synthetic: { width: 32, height: 32 } }";
        await StartAsync(Yaml(broker, Looped("front", clip), Drawn));
        await subscriber.WaitAsync("front/tracks");
        await subscriber.WaitAsync("drawn/tracks");

        Assert.Equal([$"Camera front: {Sentence}"], Warnings());
        var health = await _rig.ReadyAsync();
        Assert.Equal("ok", health.GetProperty("status").GetString());
        Assert.True(health.GetProperty("healthy").GetBoolean());
        Assert.Equal([Sentence], HealthWarnings(health, "front"));
        Assert.Empty(HealthWarnings(health, "drawn"));

        const string Impatient = "rtsp: { backoff: { initial: 10ms, max: 10ms } }";
        var away = $"away: {{ url: 'rtsp://127.0.0.1:{FreePorts.Next()}/x', {Impatient} }}";
        var changed = Looped("front", clip, ", rate: { max_fps: 5 }");
        await _rig.ReloadAsync(Yaml(broker, Looped("second", clip), changed, Drawn, away), "applied");
        await Eventually.TrueAsync(() => States(subscriber, "away").Any(s => Attempt(s) >= 3), "attempts to connect");
        string[] warned = [.. Warnings().Skip(1).Order(StringComparer.Ordinal)];
        Assert.Equal([$"Camera away: {Sentence}", $"Camera front: {Sentence}", $"Camera second: {Sentence}"], warned);

        await _rig.ReloadAsync(Yaml(broker, Looped("front", clip, ", domain: rendered"), Drawn), "applied");
        await Eventually.TrueAsync(() => IsOnline(States(subscriber, "front")[^1], warnings: 0), "no warning");
        Assert.Equal(4, Warnings().Length);
        Assert.Empty(HealthWarnings(await _rig.ReadyAsync(), "front"));
        await _rig.StopAsync(); // before its broker

        // The first state of a camera is the sink's own, from before it began.
        foreach (var state in States(subscriber, "away").Skip(1).Concat(States(subscriber, "second").Skip(1)))
            Assert.Equal([("model_domain", Sentence)], StateWarnings(state));
        Assert.All(States(subscriber, "drawn"), s => Assert.Empty(StateWarnings(s)));
        Assert.Contains(States(subscriber, "front"), s => IsOnline(s, warnings: 1));
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        _clips.Dispose();
    }

    private static ModelManifest Model(ModelDomain domain) => FakeDvis.Manifest with { Name = "tiny", Domain = domain };

    private static string Yaml(MosquittoBroker broker, params string[] cameras) => $$"""
        cameras: { {{string.Join(", ", cameras)}} }
        mqtt: { servers: ['{{broker.Url}}'] }
        logging: { level: warning }
        http: { bind: '127.0.0.1:0' }
        """;

    private static string Looped(string name, string clip, string more = "")
        => $"{name}: {{ file: '{clip}', loop: true, realtime: true{more} }}";

    private static int Attempt(JsonElement state) => state.GetProperty("attempt").GetInt32();

    private static bool IsOnline(JsonElement state, int warnings)
        => state.GetProperty("state").GetString() == "online" && StateWarnings(state).Length == warnings;

    private static JsonElement[] States(MqttSubscriber subscriber, string camera) =>
    [
        .. subscriber.On($"{camera}/state").Where(m => m.Payload.Length > 0)
            .Select(m => WireSchemas.Valid("state", m.Payload)),
    ];

    private static (string, string)[] StateWarnings(JsonElement state) =>
    [
        .. state.GetProperty("warnings").EnumerateArray()
            .Select(w => (w.GetProperty("reason").GetString()!, w.GetProperty("detail").GetString()!)),
    ];

    private static string[] HealthWarnings(JsonElement health, string camera)
    {
        var cameras = health.GetProperty("cameras").EnumerateArray();
        var entry = cameras.Single(c => c.GetProperty("name").GetString() == camera);
        if (!entry.TryGetProperty("warnings", out var warnings)) return [];
        return [.. warnings.EnumerateArray().Select(w => w.GetString()!)];
    }

    private void WriteModel()
    {
        var folder = Path.Combine(_rig.Folder.Root, "Models/default");
        TinyDvis.Write(folder, manifest => manifest["domain"] = "rendered");
    }

    private Task StartAsync(string yaml)
        => _rig.StartAsync(yaml, services => services.AddSingleton<ILoggerProvider>(_log));

    private string[] Warnings()
    {
        var entries = _log.Entries.Where(e => e.Id == Warned).ToArray();
        Assert.All(entries, e => Assert.Equal(LogLevel.Warning, e.Level));
        return [.. entries.Select(e => e.Message)];
    }
}
