using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>What is killed with <c>kill -9</c>, and started again.</summary>
internal enum Kill
{
    Broker,
    Daemon,

    /// <summary>The broker; then the daemon while finals wait for it; then both come back.</summary>
    DaemonWithoutBroker,
}

/// <summary>
/// The real program with four synthetic cameras and a model of a few hundred bytes, a real broker that saves as soon as
/// it can, and a subscriber with a persistent session. Both are killed while finals flow; then everything that was seen
/// is judged.
/// </summary>
internal sealed class OutageRun : IAsyncDisposable
{
    private const string Finals = "/tracks/final", Marker = "dvis/v1/marker/camera/marker/tracks/final";
    private static readonly string[] Cameras = ["a", "b", "c", "d"];
    private readonly ConfigFolder _folder = new();
    private readonly HttpClient _http = new();
    // It saves everything it holds after each packet and waits for the disk:
    // a disk of memory survives a kill and does not hold up the run.
    private readonly string _saved = Directory.CreateDirectory(Path.Combine(Directory.Exists("/dev/shm")
        ? "/dev/shm"
        : Path.GetTempPath(), Path.GetRandomFileName())).FullName;
    private readonly int _port = FreePorts.Next();
    private readonly HashSet<Message> _accepted = [];
    private Process? _daemon;
    private Task<string>? _errors;

    /// <summary>One line for each kill, and what came of it all.</summary>
    public List<string> Report { get; } = [];

    private string Outbox => Path.Combine(_folder.Root, "outbox");

    private string Lines => Path.Combine(_folder.Root, "results.jsonl");

    /// <param name="finals">Different final messages that must be seen at least;
    /// the kills are spread over them.</param>
    public async Task RunAsync(int finals, params Kill[] kills)
    {
        await using var broker = await MosquittoBroker.StartAsync(
            ["persistence true", $"persistence_location {_saved}/", "autosave_on_changes true", "autosave_interval 1",
                "max_queued_messages 0"]);
        await using var subscriber =
            await MqttSubscriber.StartAsync(broker, "dvis/v1/+/camera/+/tracks/final", session: "archive");
        var cameras = string.Join('\n', Cameras.Select((camera, seed) =>
            $"  {camera}: {{ synthetic: {{ width: 64, height: 64, fps: 25, seed: {seed} }} }}"));
        _folder.Write("config.yaml", $$"""
            node: { id: gate-3 }
            defaults: { queue: { capacity: 4 } }
            cameras:
            {{cameras}}
            model: { refiner: { window: 4, stride: 2, lookahead: 1 } }
            mqtt: { servers: ["{{broker.Url}}"], backoff: { initial: 100ms, max: 1s }, outbox: { path: outbox } }
            sinks: { json_lines: { path: results.jsonl } }
            http: { bind: "127.0.0.1:{{_port}}" }
            """);
        StartDaemon();
        for (var i = 0; i < kills.Length; i++)
        {
            await SeenAsync(subscriber, finals * (i + 1) / (kills.Length + 1));
            await KillAsync(kills[i], broker);
        }

        await SeenAsync(subscriber, finals);
        // All of it may be of runs before: the last one must have written finals down, too.
        await WaitAsync(() => File.Exists(Lines) && File.ReadLines(Lines).Any(l =>
            l.StartsWith("{\"type\":\"final\"", StringComparison.Ordinal)), "the last run says something");
        // A stop has 1.5 s for what is left; a backlog goes before it.
        await WaitAsync(async () => await WaitingAsync() < 20, "the backlog is gone");
        await StopDaemonAsync();
        // One broker, one queue: when this is here, everything before it is.
        await MosquittoBroker.RunAsync("mosquitto_pub",
            [.. broker.ClientArguments(), "-q", "1", "-t", Marker, "-m", "end"]);
        await WaitAsync(() => subscriber.On(Marker).Count > 0, "the marker arrives");
        Judge([.. subscriber.On(Finals).Where(m => m.Topic != Marker).Select(Final.Of)]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_daemon is { HasExited: false }) await KillDaemonAsync();
        _daemon?.Dispose();
        _http.Dispose();
        Directory.Delete(_saved, recursive: true);
        _folder.Dispose();
    }

    private async Task KillAsync(Kill kill, MosquittoBroker broker)
    {
        if (kill == Kill.Daemon)
        {
            await KillDaemonAsync();
            StartDaemon();
            return;
        }

        await broker.KillAsync();
        var before = OnDisk().Count;
        var waiting = 0;
        await WaitAsync(() => (waiting = OnDisk().Count) >= before + 20, "finals wait on disk");
        Report.Add($"broker killed; {waiting} finals in the outbox when it came back");
        if (kill == Kill.DaemonWithoutBroker) await KillDaemonAsync();
        await broker.StartAsync();
        if (kill == Kill.DaemonWithoutBroker) StartDaemon();
    }

    private void StartDaemon()
    {
        if (File.Exists(Lines)) File.Delete(Lines);
        _daemon?.Dispose();
        _daemon = Tool.StartDvis("run", "-c", Path.Combine(_folder.Root, "config.yaml"), "--quiet");
        (_, _errors) = (_daemon.StandardOutput.ReadToEndAsync(), _daemon.StandardError.ReadToEndAsync());
    }

    private async Task KillDaemonAsync()
    {
        _daemon!.Kill();
        await _daemon.WaitForExitAsync();
        var left = OnDisk();
        _accepted.UnionWith(left);
        Report.Add($"daemon killed; {left.Count} finals in its outbox");
    }

    private async Task StopDaemonAsync()
    {
        await MosquittoBroker.RunAsync("sh", "-c",
            string.Create(CultureInfo.InvariantCulture, $"kill -TERM {_daemon!.Id}"));
        await _daemon.WaitForExitAsync();
        Assert.Empty(OnDisk());
        Assert.True(_daemon.ExitCode == 0, await _errors!);
        _daemon.Dispose();
        _daemon = null;
    }

    private void Judge(List<Final> seen)
    {
        foreach (var topic in seen.GroupBy(f => (f.Message.Session, f.Message.Camera)))
        {
            // Every message of a run has the next number of its topic. Repeats are allowed;
            // going on after them must not skip one.
            var highest = 0L;
            foreach (var final in topic)
            {
                Assert.True(final.Message.Sequence <= highest + 1,
                    $"{topic.Key}: {final.Message.Sequence} after {highest}");
                highest = Math.Max(highest, final.Message.Sequence);
            }

            Assert.All(_accepted.Where(m => (m.Session, m.Camera) == topic.Key), m =>
                Assert.InRange(m.Sequence, 1, highest));
        }

        foreach (var epoch in seen.DistinctBy(f => f.Message).GroupBy(f => f.Epoch))
        {
            // Windows are contiguous; the first one begins with the first frame that was not dropped.
            long? next = null;
            foreach (var final in epoch.Where(f => f.LastPart))
            {
                Assert.Equal((epoch.Key, next ?? final.First), (epoch.Key, final.First));
                next = final.Last + 1;
            }
        }

        Assert.Empty(_accepted.Except(seen.Select(f => f.Message)));
        // Another sink of the last run has written down what there was.
        var windows = seen.Select(f => (f.Epoch, f.First, f.Last)).ToHashSet();
        var lines = File.ReadLines(Lines).Where(l => l.StartsWith("{\"type\":\"final\"", StringComparison.Ordinal))
            .Select(l => Final.Of(Encoding.UTF8.GetBytes(l))).ToList();
        Assert.NotEmpty(lines);
        Assert.All(lines, l => Assert.Contains((l.Epoch, l.First, l.Last), windows));
        var distinct = seen.Select(f => f.Message).Distinct().Count();
        Report.Add(
            $"{distinct} different finals seen, {seen.Count - distinct} of them again, "
            + $"{seen.Count(f => f.Historical)} marked historical, in "
                + $"{seen.Select(f => f.Epoch).Distinct().Count()} epochs; "
            + $"of {_accepted.Count} in the outbox of a daemon that was killed, all; 0 missing, 0 out of order");
    }

    /// <summary>What the next run would find in the outbox, were this one killed now.</summary>
    private List<Message> OnDisk()
    {
        using var copy = new TempFolder();
        foreach (var file in Directory.GetFiles(Outbox).Where(f => Path.GetFileName(f) != "lock"))
        {
            try
            {
                File.Copy(file, copy.Path(Path.GetFileName(file)));
            }
            catch (FileNotFoundException)
            {
                // Done and deleted meanwhile.
            }
        }

        using var store = new OutboxStore(new DiskFolder(copy.Root), TimeProvider.System, (_, e) =>
            Assert.Fail(e.Message), (reason, _) => Assert.Equal("torn", reason));
        var messages = new List<Message>();
        while (store.Read(out _) is { } stored)
            if (stored.Topic.Name.EndsWith(Finals, StringComparison.Ordinal))
                messages.Add(Final.Of(stored.Payload).Message);
        return messages;
    }

    /// <summary>Messages not acknowledged, as the daemon's own metrics have it.</summary>
    private async Task<int> WaitingAsync()
    {
        var text = await _http.GetStringAsync($"http://127.0.0.1:{_port}/metrics");
        return int.Parse(text.Split('\n').First(l => l.StartsWith("dvis_outbox_messages{", StringComparison.Ordinal))
            .Split(' ')[1], CultureInfo.InvariantCulture);
    }

    private Task SeenAsync(MqttSubscriber subscriber, int finals)
        => WaitAsync(() => subscriber.Received.Count >= finals && subscriber.On(Finals).Select(f => Final.Of(f).Message)
            .Distinct().Count() >= finals, $"{finals} different finals are seen");

    private Task WaitAsync(Func<bool> condition, string what) => WaitAsync(() => Task.FromResult(condition()), what);

    private async Task WaitAsync(Func<Task<bool>> condition, string what)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        while (!await condition())
        {
            if (_daemon is { HasExited: true }) Assert.Fail($"the daemon ended: {await _errors!}");
            if (limit.IsCancellationRequested)
            {
                _daemon?.Kill();
                Assert.Fail(
                    $"Did not happen within 5 minutes: {what}; so far: {string.Join("; ", Report)}\n{await _errors!}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System);
        }
    }

    /// <summary>Which message it is: the run, the topic, and its number there.</summary>
    private readonly record struct Message(string Session, string Camera, long Sequence);

    private readonly record struct Final(Message Message, string Epoch, long First, long Last, bool LastPart,
        bool Historical)
    {
        public static Final Of(ReceivedMessage message) => Of(message.Payload);

        public static Final Of(byte[] json)
        {
            using var document = JsonDocument.Parse(json);
            var (root, window) = (document.RootElement, document.RootElement.GetProperty("window"));
            return new(
                new(root.GetProperty("session").GetString()!, root.GetProperty("camera")
                    .GetString()!, root.GetProperty("seq").GetInt64()),
                root.GetProperty("epoch").GetString()!, window.GetProperty("first_frame")
                .GetInt64(), window.GetProperty("last_frame").GetInt64(),
                root.GetProperty("part").GetInt32() == root.GetProperty("parts")
                .GetInt32(), root.TryGetProperty("historical", out _));
        }
    }
}
