using System.Globalization;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>Processes that die or stop: ours and its decoders; too much work; a full disk.</summary>
internal static class ProcessFaults
{
    public static IReadOnlyList<FaultRow> Rows { get; } =
    [
        new("ffmpeg-killed", "kill -9 of a camera's decoder",
            "offline (eof or decode_errors), a new decoder, a new epoch", run =>
            DecoderAsync(run, "KILL", null)) { Short = true },
        new("ffmpeg-stopped", "a camera's decoder stops (SIGSTOP)",
            "offline (stalled); it is killed and replaced; new epoch", run => DecoderAsync(run, "STOP", "stalled")),
        new("ffmpeg-missing", "the decoder program does not exist",
            "offline (config), tried again; the other camera goes on", MissingAsync),
        new("daemon-terminated-under-load", "SIGTERM with three cameras, one at 200 frames a second",
            "every frame that was answered is final, goodbye is said, exit code 0", TerminatedAsync),
        new("daemon-killed",
            "kill -9 of the service while one decoder works and one waits for a camera that says nothing",
            "no decoder outlives it; offline by last will; after a new start online", KilledAsync) { Short = true },
        new("daemon-stopped", "the service stops (SIGSTOP) for five seconds and goes on",
            "cameras get a moment to say something before they count as stalled; results go on; nothing is missing",
            StoppedAsync),
        new("overload", "a camera at 1,000 frames a second",
            "the oldest frames are dropped and counted, every answered frame is final, the other camera goes on",
            OverloadAsync),
        new("disk-full-json-lines", "the file of the second sink lies on a full disk",
            "its failures are counted; MQTT misses nothing", FullDiskAsync),
    ];

    private static async Task DecoderAsync(FaultRun run, string signal, string? reason)
    {
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync()));
        var process = await run.StartProcessAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a");
        var decoder = Assert.Single(process.Decoders);
        run.Now();
        await DaemonProcess.SignalAsync(signal, decoder);
        await run.StateAsync("offline", reason);
        await run.StateAsync("online");
        await run.RecoveredAsync();
        await run.EventAsync("tracker.reset", "source_restarted");
        Assert.False(DaemonProcess.Lives(decoder));
        Assert.NotEqual(decoder, Assert.Single(process.Decoders));
    }

    private static async Task MissingAsync(FaultRun run)
    {
        await run.StartBrokerAsync();
        run.Now();
        await run.StartAsync("a: { url: 'rtsp://127.0.0.1:1/x', decode: { ffmpeg: /no/such/ffmpeg } }");
        await run.StateAsync("offline", "config");
        await run.FramesAsync("ok");
    }

    private static async Task TerminatedAsync(FaultRun run)
    {
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync()));
        var process = await run.StartProcessAsync(
            $"a: {{ url: '{camera.Url}' }}\nbusy: {{ synthetic: {{ width: 64, height: 48, fps: 200, strip: false }} "
            + $"}}");
        await run.FramesAsync("a", 30);
        run.Now();
        var (code, text) = await process.EndAsync();
        Assert.True(code == 0, text);
        await run.Heard.WaitTextAsync("t/availability", "offline");
        foreach (var name in (string[])["a", "ok", "busy"])
            Assert.True(Last(run, $"{name}/tracks/final", "last_frame") >= Last(run, $"{name}/tracks", "frame_id"),
                name);
        run.Note("exit code 0, all frames final");
    }

    private static async Task KilledAsync(FaultRun run)
    {
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync()));
        var silent = run.Own(FaultProxy.Start(camera.Port));
        await silent.SetAsync(Fault.HalfOpen);
        var yaml = $"a: {{ url: '{camera.Url}' }}\nsilent: {{ url: '{silent.Rtsp()}', rtsp: {{ connect_timeout: 10m, "
            + $"stall_timeout: 10m }} }}";
        var process = await run.StartProcessAsync(yaml);
        await run.FramesAsync("a", 30);
        await Eventually.TrueAsync(() => process.Decoders.Count == 2, "two decoders");
        var decoders = process.Decoders;
        run.Now();
        await process.SignalAsync("KILL");
        await Eventually.TrueAsync(() => decoders.All(d => !DaemonProcess.Lives(d)), "no decoder outlives the service");
        await run.Heard.WaitTextAsync("t/availability", "offline");
        await run.StartProcessAsync(yaml);
        await run.RecoveredAsync();
        run.Note("both decoders gone, offline by last will");
    }

    private static async Task StoppedAsync(FaultRun run)
    {
        run.HitsAll = true;
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync()));
        var process = await run.StartProcessAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a", 30);
        await process.SignalAsync("STOP");
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System);
        run.Now();
        await process.SignalAsync("CONT");
        await run.RecoveredAsync(frames: 30);
    }

    private static async Task OverloadAsync(FaultRun run)
    {
        await run.StartBrokerAsync();
        run.Now();
        await run.StartAsync("a: { synthetic: { width: 256, height: 192, fps: 1000, strip: false } }");
        await run.DroppedAsync("queue_full");
        await run.RecoveredAsync(frames: 100);
        run.Note(string.Create(CultureInfo.InvariantCulture,
            $"{run.Dropped("a").Single(d => d.Key == "queue_full").Value} dropped as queue_full"));
    }

    private static async Task FullDiskAsync(FaultRun run)
    {
        await run.StartBrokerAsync();
        run.Now();
        await run.StartAsync("a: { synthetic: { width: 64, height: 48, fps: 25, strip: false } }", null, null,
            "sinks.json_lines.path=/dev/full", "sinks.json_lines.flush_interval=0s");
        await run.FramesAsync("a", 50);
        using var http = new HttpClient();
        var metrics = await http.GetStringAsync(
            new Uri(run.App.Urls.First() + "/metrics"));
        var failures = metrics.Split('\n')
            .Single(l => l.StartsWith("dvis_sink_failures_total{sink=\"json_lines\"}", StringComparison.Ordinal));
        Assert.True(double.Parse(failures.Split(' ')[1], CultureInfo.InvariantCulture) > 0);
        run.Note("failures counted");
    }

    private static long Last(FaultRun run, string topic, string key)
        => run.Heard.On(topic)
            .Max(m =>
                long.Parse(System.Text.RegularExpressions.Regex.Match(m.Text, $"\"{key}\":(\\d+)").Groups[1].Value,
                    CultureInfo.InvariantCulture));
}
