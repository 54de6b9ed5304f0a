using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Dvis.Streaming.Hosting.Composition;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>
/// The service, in this process or in one of its own, with a tiny model and a real broker, and an independent client
/// that sees all it says. Camera <c>a</c> gets the fault; camera <c>ok</c> must never notice (<see cref="EndAsync"/>
/// looks). Disposing ends everything.
/// </summary>
internal sealed class FaultRun : IAsyncDisposable
{
    public const string Ok = "ok: { synthetic: { width: 64, height: 48, fps: 10, strip: false } }";

    private readonly ConfigFolder _folder = new();
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly List<string> _notes = [];
    private WebApplication? _app;
    private int _mark, _late;
    private long _since;

    public MosquittoBroker Broker { get; private set; } = null!;

    public MqttSubscriber Heard { get; private set; } = null!;

    /// <summary>The service in a process of its own; null before <see cref="StartProcessAsync"/>.</summary>
    public DaemonProcess? Process { get; private set; }

    public WebApplication App =>
        _app ?? throw new InvalidOperationException("The service does not run in this process.");

    public string Folder => _folder.Root;

    /// <summary>Seconds from <see cref="Now"/> to what <see cref="RecoveredAsync"/> waited for.</summary>
    public double? Recovery { get; private set; }

    /// <summary>QoS 1 messages that the client never got; null when there was nothing to lose.</summary>
    public int? Lost { get; private set; }

    /// <summary>What happened to camera <c>a</c>, in words.</summary>
    public string Observed { get; private set; } = "";

    /// <summary>The last messages about camera <c>a</c>, and its counts, for a test that failed.</summary>
    public string Tail => Heard is null
        ? ""
        : Counts() + string.Join('\n',
            Heard.Received.Where(m =>
                m.Topic.EndsWith("/a/state", StringComparison.Ordinal) || m.Topic.EndsWith("/a/events",
                    StringComparison.Ordinal)).TakeLast(12).Select(m => $"{m.UserProperties} {m.Text}"));

    /// <summary>False: starting does not wait for results to arrive.</summary>
    public bool Waits { get; set; } = true;

    /// <summary>Where the shell puts the output of the service's process; empty: this process reads it.</summary>
    public string Redirection { get; set; } = "";

    /// <summary>The fault is none of camera <c>a</c> alone: <c>ok</c> may notice it.</summary>
    public bool HitsAll { get; set; }

    /// <summary>A server or camera that lives as long as the run.</summary>
    public T Own<T>(T part) where T : IAsyncDisposable
    {
        _owned.Add(part);
        return part;
    }

    /// <inheritdoc cref="Own"/>
    public T OwnPart<T>(T part) where T : IDisposable
    {
        _owned.Add(new Disposal(part));
        return part;
    }

    public async Task StartBrokerAsync(string[]? settings = null, (string User, string Password)? login = null)
    {
        Broker = Own(await MosquittoBroker.StartAsync(settings, login));
        Heard = Own(await MqttSubscriber.StartAsync(Broker));
    }

    /// <summary>The service in this process, with this broker or a proxy before it.</summary>
    /// <param name="cameras">YAML of <c>a</c> and whatever else; <c>ok</c> is always there.</param>
    /// <param name="set">As <c>--set</c>.</param>
    public async Task StartAsync(string cameras, string? mqtt = null, Action<IServiceCollection>? adjust = null,
        params string[] set)
    {
        if (Broker is null) await StartBrokerAsync();
        _app = StreamingHost.Build(Load(cameras, mqtt ?? Broker!.Url, set), null, adjust);
        await _app.StartAsync();
        if (Waits) await FramesAsync("ok", 1);
    }

    /// <summary>Likewise as <c>dvis run</c>.</summary>
    public async Task<DaemonProcess> StartProcessAsync(string cameras, string? mqtt = null, params string[] set)
    {
        if (Broker is null) await StartBrokerAsync();
        Load(cameras, mqtt ?? Broker!.Url, []);
        Process = Own(new DaemonProcess(Path.Combine(Folder, "config.yaml"), Redirection, set));
        await FramesAsync("ok", 1);
        return Process;
    }

    public LoadedConfig Load(string cameras, string mqtt, params string[] set) =>
        _folder.Load(Yaml(cameras, mqtt), set);

    public string Write(string name, string text) => _folder.Write(name, text);

    /// <summary>From here on is observed, and the time to recover runs.</summary>
    public void Now() => (_mark, _since) = (Heard.Received.Count, Stopwatch.GetTimestamp());

    public void Note(string what) => _notes.Add(what);

    /// <summary>At the end so many finals and events must have come late, and have said so.</summary>
    public void ExpectLate(int messages) => _late = messages;

    public IEnumerable<ReceivedMessage> Since(string topicEnd) =>
        Heard.Received.Skip(_mark).Where(m => m.Topic.EndsWith(topicEnd, StringComparison.Ordinal));

    /// <summary>Waits until so many more provisional results of a camera have come.</summary>
    public async Task FramesAsync(string camera, int count = 10)
    {
        var before = Heard.On($"camera/{camera}/tracks").Count;
        await Eventually.TrueAsync(() => Heard.On($"camera/{camera}/tracks").Count >= before + count,
            $"{count} results of {camera}");
    }

    /// <summary>Waits until camera <c>a</c> has said this since <see cref="Now"/>.</summary>
    public Task StateAsync(string state, string? reason = null, string camera = "a")
        => Eventually.TrueAsync(() => States(camera).Any(s =>
            s.State == state && (reason is null || s.Reason == reason)), $"{camera}: {state} {reason}");

    public Task EventAsync(string kind, string? reason = null)
        => Eventually.TrueAsync(() => Events("a").Any(e => e.Kind == kind && (reason is null || e.Reason == reason)),
            $"{kind} {reason}");

    public Task DroppedAsync(string reason)
        => Eventually.TrueAsync(() => Dropped("a").Any(d => d.Key == reason), $"a frame dropped as {reason}");

    /// <summary>Waits until results of a camera come that were made after this call; that is the recovery.</summary>
    public async Task RecoveredAsync(string camera = "a", int frames = 1)
    {
        await FramesAsync(camera, frames);
        Recovery = Stopwatch.GetElapsedTime(_since).TotalSeconds;
    }

    public IEnumerable<KeyValuePair<string, long>> Dropped(string camera) =>
        App.Services.GetRequiredService<PipelineMetrics>().Camera(camera).Tally.DroppedBy;

    /// <summary>Epochs of the results since <see cref="Now"/> and of the last one before:
    /// what was on its way then may have been dropped.</summary>
    public int Epochs(string camera) => Heard.Received.Take(_mark)
        .Where(m => m.Topic.EndsWith($"{camera}/tracks", StringComparison.Ordinal)).TakeLast(1)
        .Concat(Since($"{camera}/tracks")).Select(m => Text(m, "epoch")).Distinct().Count();

    /// <summary>Stops the service, and holds what was heard against what must be true after every fault.</summary>
    public async Task EndAsync()
    {
        if (Heard is null)
        {
            Observed = string.Join("; ", _notes);
            return;
        }

        var drops = _app is null ? [] : Dropped("a").Where(d => d.Key is not "queue_full").ToList();
        if (_app is not null) await StopAppAsync();
        else if (Process is { Running: true }) await Process.EndAsync();
        // One broker, one queue: when this is here, everything before it is.
        await MosquittoBroker.RunAsync("mosquitto_pub",
            [.. Broker.ClientArguments(), "-q", "1", "-t", "dvis/end", "-m", "end"]);
        await Heard.WaitAsync("dvis/end");
        if (_late > 0)
        {
            var late = Heard.Received.Count(m => m.Text.StartsWith("{\"historical\":true,", StringComparison.Ordinal));
            Assert.InRange(late, _late, int.MaxValue);
            Note(string.Create(CultureInfo.InvariantCulture, $"connected again; {late} messages came late and say so"));
        }

        Observe(drops);
        Lost = Heard.On("/tracks/final").Count == 0 ? null : QoS1Audit.Lost(Heard.Received);
        Assert.Equal(0, Lost ?? 0);
        QoS1Audit.FinalsAreContiguous(Heard.Received);
        if (HitsAll) return;
        Assert.DoesNotContain(Heard.On("camera/ok/events"), m =>
            m.UserProperties.Contains("tracker.reset", StringComparison.Ordinal));
        Assert.DoesNotContain(Heard.On("camera/ok/state").SkipLast(1), m =>
            Text(m, "state") is "offline" or "degraded");
    }

    private string Counts()
    {
        if (_app is null) return "";
        var camera = _app.Services.GetRequiredService<PipelineMetrics>().Camera("a").Tally;
        return string.Create(CultureInfo.InvariantCulture,
            $"{camera.FramesIn} in, {camera.Provisional} provisional, {camera.Final} final; dropped: "
            + $"{string.Join(", ", camera.DroppedBy)}\n");
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (_app is not null)
            {
                if (!_app.Services.GetRequiredService<RunState>().Over) await _app.StopAsync();
                await _app.DisposeAsync();
            }
        }
        finally
        {
            for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
            _folder.Dispose();
        }
    }

    private async Task StopAppAsync()
    {
        await App.StopAsync();
        // On a busy machine the end may take longer than it should; nothing is timed here.
        Assert.DoesNotContain(
            App.Services.GetRequiredService<RunState>().Failures,
            f => !f.StartsWith("camera a ", StringComparison.Ordinal)
                && f is not ("the pipelines did not end in time" or "not everything could be delivered"));
    }

    private void Observe(IReadOnlyList<KeyValuePair<string, long>> drops)
    {
        var said = new List<string>();
        foreach (var (state, reason) in States("a"))
        {
            var word = reason == "ok" ? state : $"{state} ({reason})";
            if (said.Count == 0 || said[^1] != word) said.Add(word);
        }

        // The last one is the goodbye of the end of the run; that it is well again and again says nothing.
        if (said.Count > 0 && said[^1] == "offline") said.RemoveAt(said.Count - 1);
        if (said is ["online"]) said.Clear();
        var parts = new List<string>();
        if (said.Count > 0) parts.Add(string.Join(" → ", said.Count > 6 ? [.. said[..5], "…", said[^1]] : said));
        parts.AddRange(Events("a").Where(e => e.Kind is "tracker.reset" or "data.gap")
            .GroupBy(e => $"{e.Kind} {e.Reason}").Select(g => g.Count() == 1 ? g.Key : $"{g.Key} x{g.Count()}"));
        parts.AddRange(drops.Select(d => string.Create(CultureInfo.InvariantCulture, $"{d.Value} dropped as {d.Key}")));
        Observed = string.Join("; ", [.. _notes, .. parts]);
    }

    private IEnumerable<(string State, string Reason)> States(string camera) =>
        Since($"{camera}/state").Select(m => (Text(m, "state"), Text(m, "reason")));

    private IEnumerable<(string Kind, string Reason)> Events(string camera) => Since($"{camera}/events").Select(m =>
        (m.UserProperties.Split(' ').First(p =>
            p.StartsWith("type:", StringComparison.Ordinal))["type:io.dvis.".Length..], Text(m, "reason")));

    private static string Text(ReceivedMessage message, string key)
    {
        using var document = JsonDocument.Parse(message.Payload);
        return document.RootElement.TryGetProperty(key, out var value) ? value.ToString() : "";
    }

    private static string Yaml(string cameras, string mqtt) => $$"""
        node: { id: t }
        cameras:
          {{cameras.ReplaceLineEndings("\n  ")}}
          {{Ok}}
        defaults:
          # The decoder gives up a silent connection after connect_timeout; the stall must come first.
          rtsp: { connect_timeout: 10s, stall_timeout: 3s, backoff: { initial: 200ms, max: 500ms, jitter: 0 } }
          queue: { max_age: 5s }
        model: { path: Models/default, refiner: { window: 8, stride: 4, lookahead: 2 } }
        mqtt: { servers: ['{{mqtt}}'], keep_alive: 5s, connect_timeout: 3s, backoff: { initial: 100ms, max: 500ms } }
        http: { bind: '127.0.0.1:0' }
        logging: { level: error }
        """;

    private sealed class Disposal(IDisposable part) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            part.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
