using System.Globalization;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>Cameras and hosts that are within their rights and yet unlike the documentation, as sites report them.
/// </summary>
internal static class FieldFaults
{
    private const string Camera = "a: { synthetic: { width: 64, height: 48, fps: 25, strip: false } }";

    public static IReadOnlyList<FaultRow> Rows { get; } =
    [
        new("camera-key-frames-far-apart",
            "a key frame every 12 s; the connection comes after one, 10 s before the next",
            "starting (packets arrive, no key frame yet), the connection is kept; online with the key frame",
            KeyFramesAsync),
        new("camera-answers-no-keep-alive", "the camera asks for keep-alives all the time, and answers none",
            "the connection is kept, one epoch", KeepAlivesAsync),
        new("camera-redirects-and-ends-lines-with-lf",
            "the address answers 302; the camera that it names ends its lines with LF alone",
            "online at the other address, without a failed attempt", RedirectsAsync),
        new("broker-without-subscriptions",
            "the broker lets the service publish and refuses every subscription",
            "one connection; what cannot be had is reported once; nothing is missing", PublishOnlyAsync),
        new("output-closed", "standard output and standard error are closed, results and the log go there",
            "the service works as without the fault; exit code 0", OutputClosedAsync),
    ];

    private static async Task KeyFramesAsync(FaultRun run)
    {
        var gop = await EncodedPictures.GopAsync("H264");
        var late = gop with { Pictures = [.. gop.Pictures.TakeLast(250), .. gop.Pictures] };
        var camera = run.Own(new ScriptedCamera(late, v => v.PlayAsync()));
        await run.StartBrokerAsync();
        run.Now();
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        await Eventually.TrueAsync(() => run.Since("a/state").Any(m =>
            m.Text.Contains("packets arrive, no key frame yet", StringComparison.Ordinal)), "waits for a key frame");
        await run.StateAsync("online");
        await run.RecoveredAsync(frames: 50);
        Assert.Equal((1, 1), (camera.Plays, run.Epochs("a")));
        run.Note("packets arrive, no key frame yet");
    }

    private static async Task KeepAlivesAsync(FaultRun run)
    {
        // The decoder sends one in half of this time, in whole seconds: one with every packet.
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync())
        {
            Rewrite = static (_, response) => response.Replace("timeout=60", "timeout=1", StringComparison.Ordinal),
        });
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a");
        run.Now();
        await run.RecoveredAsync(frames: 150);
        Assert.Equal((1, 1), (camera.Plays, run.Epochs("a")));
        run.Note("one connection, one epoch");
    }

    private static async Task PublishOnlyAsync(FaultRun run)
    {
        await run.StartBrokerAsync(PublishOnlyBroker.Settings(run.Folder, "reader", "secret"), ("reader", "secret"));
        await MosquittoBroker.RunAsync("sh", "-c",
            string.Create(CultureInfo.InvariantCulture,
                $"mosquitto_sub -V 5 -p {run.Broker.Port} -t 'dvis/#' -W 5 2>&1 | grep -q denied"));
        var proxy = run.Own(FaultProxy.Start(run.Broker.Port));
        run.Now();
        await run.StartAsync(Camera, proxy.Mqtt);
        await run.RecoveredAsync(frames: 75);
        Assert.Equal(1, proxy.Accepted);
        run.Note("one connection");
    }

    private static async Task RedirectsAsync(FaultRun run)
    {
        var pictures = await EncodedPictures.H264Async();
        var there = run.Own(new ScriptedCamera(pictures, v => v.PlayAsync())
        {
            // The length of the body stays what the response says.
            Rewrite = static (_, response) => response.Split("\r\n\r\n", 2) is [var head, var body]
                ? head.Replace("\r\n", "\n", StringComparison.Ordinal) + "\n\n" + body
                : response,
        });
        var here = run.Own(new ScriptedCamera(pictures, v => v.PlayAsync())
        {
            Guard = _ => $"RTSP/1.0 302 Found\r\nLocation: {there.Url}\r\n",
        });
        await run.StartBrokerAsync();
        run.Now();
        await run.StartAsync($"a: {{ url: '{here.Url}' }}");
        await run.StateAsync("online");
        await run.RecoveredAsync(frames: 30);
        Assert.DoesNotContain(run.Since("a/state"), m =>
            m.Text.Contains("\"state\":\"offline\"", StringComparison.Ordinal));
        Assert.Equal((0, 1), (here.Plays, there.Plays));
    }

    private static async Task OutputClosedAsync(FaultRun run)
    {
        await run.StartBrokerAsync();
        run.Now();
        run.Redirection = ">&- 2>&-";
        var process = await run.StartProcessAsync(
            Camera, null, "sinks.json_lines.path=-", "logging.level=debug", "logging.format=json");
        await run.RecoveredAsync(frames: 100);
        var (code, text) = await process.EndAsync();
        Assert.Equal((0, ""), (code, text));
        run.Note("exit code 0");
    }
}
