using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Tests.Hosting.Service;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;

/// <summary>Cameras come, change, fail and go while others run: with the real engine, a tiny model,
/// real decoders and a real broker.</summary>
[Collection(nameof(Alone))]
public sealed class CameraChurnTests : IAsyncDisposable
{
    private const int Rounds = 50, CamerasARound = 4;

    private readonly ReloadRig _rig = new();
    private readonly Clips _clips = new();

    /// <summary>
    /// "Memory grows for days": 200 cameras come, work or fail, and go; threads, handles, children, frames,
    /// tensors, series and managed memory are back at their level.
    /// </summary>
    [Fact]
    public async Task Reload_TwoHundredCamerasComeAndGo_NothingIsLeftOfThem()
    {
        var clip = await _clips.MakeAsync("clip.avi");
        var away = FreePorts.Next();
        await _rig.StartAsync(Yaml(""));
        Level? early = null;
        for (var round = 0; round < Rounds; round++)
        {
            // One that works, one that is over, one that fails for good, one that is away for ever:
            // another name and size each time.
            var size = 32 + (4 * (round % 8));
            await _rig.ReloadAsync(Yaml($$"""
                  s{{round}}: { synthetic: { width: {{size}}, height: 32 } }
                  f{{round}}: { file: {{clip}} }
                  g{{round}}: { file: a.mp4 }
                  r{{round}}: { url: 'rtsp://127.0.0.1:{{away}}/x', rtsp: { backoff: { initial: 10ms, max: 10ms } } }
                """), "applied");
            await Eventually.TrueAsync(() => Final($"s{round}") > 0 && Final($"f{round}") == 20
                && State($"g{round}") == "offline" && State($"r{round}") == "offline", $"round {round}");
            await _rig.ReloadAsync(Yaml(""), "applied");
            await Eventually.TrueAsync(() =>
                _rig.Metrics.Contains("dvis_native_buffers_in_use{pool=\"frames\"} 0\n", StringComparison.Ordinal)
                    && _rig.Metrics.Contains("dvis_native_buffers_in_use{pool=\"tensors\"} 0\n",
                        StringComparison.Ordinal), "buffers come back");
            if (round == Rounds / 5) early = await Level.TakeAsync();

            long Final(string camera) => _rig.Camera(camera).Counts.Final;
            string State(string camera) => EnumName.Of(_rig.Camera(camera).State);
        }

        var late = await Level.TakeAsync();
        Assert.Equal(0, late.Children);
        Assert.InRange(late.Threads, 0, early!.Threads + 1);
        Assert.InRange(late.Handles, 0, early.Handles + 5);
        Assert.InRange(late.ManagedBytes, 0, early.ManagedBytes + (1 << 20));
        Assert.DoesNotMatch("camera=\"[sfgr][0-9]", _rig.Metrics);
        Assert.DoesNotContain("otel_metric_overflow", _rig.Metrics, StringComparison.Ordinal);
        TestContext.Current.TestOutputHelper?.WriteLine($"{CamerasARound * Rounds} cameras: {early} -> {late}");
    }

    /// <summary>A camera that is removed has its last words, and leaves nothing behind;
    /// one that stays goes on in the same epoch, without a gap.</summary>
    [Fact]
    public async Task Reload_CameraRemoved_HasItsFinalsAndEvents_AndTheOtherGoesOn()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        var rest =
            $"defaults: {{ queue: {{ policy: wait }} }}\nmqtt: {{ servers: ['{broker.Url}'] }}\nlogging: {{ level: "
            + $"error }}\nhttp: {{ bind: '127.0.0.1:0' }}\n";
        const string Stays = "stays: { synthetic: { width: 64, height: 32, fps: 20 } }",
            Goes = "goes: { synthetic: { width: 32, height: 32, fps: 20 } }";
        await _rig.StartAsync($"cameras: {{ {Stays}, {Goes} }}\n{rest}");
        await subscriber.WaitAsync("goes/tracks/final", 2);
        await subscriber.WaitAsync("stays/tracks/final", 2);

        await _rig.ReloadAsync($"cameras: {{ {Stays} }}\n{rest}", "applied");
        await subscriber.WaitTextAsync("goes/availability", "");
        var before = subscriber.On("stays/tracks/final").Count;
        await subscriber.WaitAsync("stays/tracks/final", before + 2);
        await _rig.ReloadAsync(
            $"cameras: {{ {Stays}, new: {{ synthetic: {{ width: 32, height: 32, fps: 20 }} }} }}\n{rest}", "applied");
        await subscriber.WaitAsync("new/tracks/final", 2);
        await _rig.StopAsync();
        await subscriber.WaitTextAsync("dvis/availability", "offline");

        var (last, covered) = (Longs(subscriber, "goes/tracks", "frame_id")
            .Max(), Longs(subscriber, "goes/tracks/final", "last_frame").Max());
        Assert.True(covered >= last, $"{last} provisional, {covered} final");
        Assert.Equal(["", "offline"], subscriber.On("goes/availability").Reverse().Take(2).Select(m => m.Text));
        var events = Types(subscriber, "goes/events").CountBy(t => t).ToDictionary();
        Assert.Equal(1, events["camera.offline"]);
        Assert.Equal((events["track.started"], events["track.started"]),
            (events["track.ended"], events["track.finalized"]));
        // Nothing retained is left of it, and the list of cameras knows.
        await using var later = await MqttSubscriber.StartAsync(broker);
        await later.WaitAsync("dvis/status");
        Assert.DoesNotContain(later.Received, m => m.Topic.Contains("camera/goes", StringComparison.Ordinal));
        Assert.Equal(["stays", "new"], JsonDocument.Parse(later.On("dvis/status")[0].Text).RootElement
            .GetProperty("cameras").EnumerateArray().Select(c => c.GetProperty("name").GetString()));

        // The one that stayed: one epoch, every frame final once, in order.
        Assert.Single(subscriber.On("stays/tracks/final")
            .Select(m => JsonDocument.Parse(m.Text).RootElement.GetProperty("epoch").GetString()).Distinct());
        var (first, end) = (Longs(subscriber, "stays/tracks/final", "first_frame"), Longs(subscriber,
            "stays/tracks/final", "last_frame"));
        for (var i = 1; i < first.Length; i++) Assert.Equal(end[i - 1] + 1, first[i]);
        Assert.Equal("camera.online", Assert.Single(Types(subscriber, "stays/events"), t =>
            t.StartsWith("camera.o", StringComparison.Ordinal) && t != "camera.offline"));
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        _clips.Dispose();
    }

    // Keeps the run going without a frame of its own.
    private static string Yaml(string cameras) =>
        $"cameras:\n  keeper: {{ url: 'rtsp://127.0.0.1:1/x', rtsp: {{ backoff: {{ initial: 1h, max: 1h }} }} "
        + $"}}\n{cameras}\nmqtt: {{ servers: [] }}\nlogging: {{ level: error }}\nhttp: {{ bind: '127.0.0.1:0' }}\n";

    private static long[] Longs(MqttSubscriber subscriber, string topic, string key) =>
        [.. subscriber.On(topic).Select(m =>
            long.Parse(Regex.Match(m.Text, $"\"{key}\":(\\d+)").Groups[1].Value, CultureInfo.InvariantCulture))];

    private static IEnumerable<string> Types(MqttSubscriber subscriber, string topic) =>
        subscriber.On(topic).Select(m => Regex.Match(m.UserProperties, @"type:io\.dvis\.([a-z_.]+)").Groups[1].Value);

    /// <summary>What this process holds.</summary>
    private sealed record Level(int Threads, int Handles, int Children, long ManagedBytes)
    {
        public static async Task<Level> TakeAsync()
        {
            // Decoders are reaped and their threads end in their own time.
            await Eventually.TrueAsync(() => Now().Children == 0, "the decoders are gone");
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return Now();
        }

        private static Level Now()
        {
            // The pool grows and shrinks as it likes.
            var threads = Directory.GetDirectories("/proc/self/task").Select(t => Read(Path.Combine(t, "comm")))
                .Count(name => name.Length > 0 && !name.StartsWith(".NET TP", StringComparison.Ordinal));
            var children = Directory.GetDirectories("/proc/self/task")
                .Sum(t => Read(Path.Combine(t, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries).Length);
            return new(threads, Directory.GetFileSystemEntries("/proc/self/fd").Length, children,
                GC.GetTotalMemory(forceFullCollection: true));
        }

        private static string Read(string path)
        {
            try
            {
                return File.ReadAllText(path).Trim();
            }
            catch (IOException)
            {
                return ""; // it has just ended
            }
        }
    }
}
