using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Rtsp;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>What cameras do. Complaints answered: never reconnects, hangs while reconnecting, a start that fails
/// because one camera is away, all cameras coming back one after the other.</summary>
internal static class CameraFaults
{
    private const int Seconds = 25; // pictures

    public static IReadOnlyList<FaultRow> Rows { get; } =
    [
        new("camera-dead-at-start", "nobody listens at the camera's address; then it appears",
            "the service starts without it; offline (refused); online when it is there",
            DeadAtStartAsync) { Short = true },
        new("camera-accepts-and-is-silent", "the connection is accepted and never answered; then the camera answers",
            "offline (timeout), and tried again", SilentAsync),
        new("camera-wrong-login", "the camera refuses the login",
            "offline (auth_failed), tried at growing pauses, the login in no message", WrongLoginAsync),
        new("camera-forgets-its-nonce",
            "a camera with a login wants another answer every second time, and ends the connection with RST",
            "offline, then answered anew; new epoch", ForgetsNonceAsync),
        new("camera-certificate-not-trusted", "a rtsps camera's certificate has expired; then it has a good one",
            "offline (tls), not a word said to it; online with the good one", CertificateAsync),
        new("camera-no-such-stream", "the path does not exist", "offline (not_found), tried at growing pauses",
            NoSuchStreamAsync),
        new("camera-stalls", "pictures stop, the connection stands",
            "offline (stalled), then a new connection and a new epoch", run =>
            FirstThenGoodAsync(run, viewer => viewer.SilenceAsync(), "stalled")) { Short = true },
        new("camera-stalls-mid-frame", "half a picture, then nothing, the connection stands",
            "offline (stalled); the half picture never reaches the tracker; new epoch", run =>
            FirstThenGoodAsync(run, async viewer =>
            {
                await viewer.SendHalfAsync(90_000_000);
                await viewer.SilenceAsync();
            }, "stalled")),
        new("camera-resets", "the camera ends the connection with RST",
            "offline, then a new connection and a new epoch", run =>
            FirstThenGoodAsync(run, viewer =>
            {
                viewer.Reset();
                return Task.CompletedTask;
            })),
        new("camera-ends", "the camera ends the stream in order",
            "offline (eof), then a new connection and a new epoch", run =>
            FirstThenGoodAsync(run, _ => Task.CompletedTask, "eof")),
        new("camera-sends-garbage", "random bytes where packets should be", "a new connection and a new epoch", run =>
            FirstThenGoodAsync(run, async viewer =>
            {
                var garbage = new byte[64 * 1024];
                new Random(1).NextBytes(garbage);
                for (var i = 0; i < 20; i++) await viewer.SendRawAsync(garbage);
            })),
        new("camera-sends-broken-pictures", "two seconds of packets whose pictures do not decode, then good ones",
            "decode errors are counted (degraded), what decodes is tracked, the connection is kept",
            BrokenPicturesAsync),
        new("camera-changes-resolution", "the picture changes from 64x48 to 96x64 within the stream",
            "the connection is kept; new epoch (resolution_change)", ChangesResolutionAsync) { Short = true },
        new("camera-changes-codec", "from H.264 to MPEG-4 within the stream",
            "offline (stalled), then the new codec and a new epoch", ChangesCodecAsync),
        new("camera-flaps", "every connection ends after ten pictures, six times",
            "each time offline and back, an epoch each", FlapsAsync),
        new("mass-outage-16-cameras",
            "16 cameras vanish at once; when they are back none gets a picture before all 16 have asked",
            "all 16 recover side by side", MassOutageAsync),
    ];

    private static async Task DeadAtStartAsync(FaultRun run)
    {
        var port = FreePorts.Next();
        await run.StartAsync($"a: {{ url: '{ScriptedCamera.UrlAt(port)}' }}");
        await run.StateAsync("offline", "refused");
        run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync(), port));
        run.Now();
        await run.RecoveredAsync();
        await run.StateAsync("online");
        run.Note("offline (refused)");
    }

    private static async Task SilentAsync(FaultRun run)
    {
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync()));
        var proxy = run.Own(FaultProxy.Start(camera.Port));
        await proxy.SetAsync(Fault.HalfOpen);
        await run.StartAsync($"a: {{ url: '{proxy.Rtsp()}' }}");
        await run.StateAsync("offline", "timeout");
        await proxy.HealAsync();
        run.Now();
        await run.RecoveredAsync();
        await run.StateAsync("online");
        run.Note("offline (timeout)");
    }

    private static async Task WrongLoginAsync(FaultRun run)
    {
        var server = run.Own(await RtspServer.StartAsync("user:right"));
        await run.StartAsync($"a: {{ url: '{server.Url()}', username: user, password: wrong-hunter2 }}");
        await run.StateAsync("offline", "auth_failed");
        await Eventually.TrueAsync(() => run.Since("a/state").Any(m =>
            m.Text.Contains("\"attempt\":2", StringComparison.Ordinal)), "a second attempt");
        Assert.DoesNotContain(run.Heard.Received, m => m.Text.Contains("hunter2", StringComparison.Ordinal));
    }

    private static Task ForgetsNonceAsync(FaultRun run)
    {
        var answers = 0;
        return FirstThenGoodAsync(run, viewer =>
        {
            viewer.Reset();
            return Task.CompletedTask;
        }, guard: request => request["Authorization"]?.Contains($"nonce=\"{answers / 2}\"",
            StringComparison.Ordinal) == true && answers++ >= 0
            ? null
            : $"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"{answers / 2}\", "
                + $"qop=\"auth\"\r\n");
    }

    private static async Task CertificateAsync(FaultRun run)
    {
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync()));
        TestCertificates.Write(run.Folder, [("old", "localhost", 2021), ("new", "localhost", 2045)]);
        var old = new TlsFront(camera.Port, run.Folder, "old");
        await run.StartAsync(
            $"a: {{ url: 'rtsps://user:right@localhost:{old.Port}/cam', rtsp: {{ tls: {{ ca: '{run.Folder}/ca.pem' }} "
            + $"}} }}");
        await run.StateAsync("offline", "tls");
        Assert.Equal(0, old.Secured);
        await old.DisposeAsync();
        run.Now();
        run.Own(new TlsFront(camera.Port, run.Folder, "new", old.Port));
        await run.RecoveredAsync();
        run.Note("offline (tls)");
    }

    private static async Task NoSuchStreamAsync(FaultRun run)
    {
        var server = run.Own(await RtspServer.StartAsync());
        await run.StartAsync($"a: {{ url: '{server.Url(path: "nowhere")}' }}");
        await run.StateAsync("offline", "not_found");
        await Eventually.TrueAsync(() => run.Since("a/state").Any(m =>
            m.Text.Contains("\"attempt\":2", StringComparison.Ordinal)), "a second attempt");
    }

    /// <summary>The connection that plays goes wrong, once; every later one is good.</summary>
    private static async Task FirstThenGoodAsync(FaultRun run, Func<ScriptedCamera.Viewer, Task> wrong,
        string? reason = null, Func<RtspMessage, string?>? guard = null)
    {
        var (go, gone) = (new TaskCompletionSource(), 0);
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
        {
            await viewer.PlayUntilAsync(go.Task);
            if (Interlocked.Exchange(ref gone, 1) != 0) await viewer.PlayAsync();
            await wrong(viewer);
        }));
        if (guard is not null) camera.Guard = guard;
        await run.StartAsync(
            $"a: {{ url: '{camera.Url}'{(guard is null ? "" : ", username: user, password: right")} }}");
        await run.FramesAsync("a");
        run.Now();
        go.SetResult();
        await run.StateAsync("offline", reason);
        await run.StateAsync("online");
        await run.RecoveredAsync();
        await run.EventAsync("tracker.reset", "source_restarted");
    }

    private static async Task BrokenPicturesAsync(FaultRun run)
    {
        var go = new TaskCompletionSource();
        var good = await EncodedPictures.H264Async();
        var random = new Random(1);
        // The slice header survives, what follows does not: the decoder conceals and complains.
        var broken = good with
        {
            Pictures = [.. good.Pictures.Select(p =>
                (IReadOnlyList<byte[]>)[.. p.SkipLast(1),
                    [.. p[^1][..12], .. p[^1][12..].Select(_ => (byte)random.Next(1, 256))]])],
        };
        var camera = run.Own(new ScriptedCamera(good, async viewer =>
        {
            var time = await viewer.PlayUntilAsync(go.Task);
            for (var i = 0; i < 2 * Seconds; i++)
            {
                await viewer.SendAsync(time += 3600, broken);
                await Task.Delay(TimeSpan.FromMilliseconds(40), TimeProvider.System, viewer.Stop);
            }

            await viewer.PlayAsync(time);
        }));
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a");
        run.Now();
        go.SetResult();
        await run.StateAsync("degraded", "decode_errors");
        await run.RecoveredAsync();
        await run.StateAsync("online");
        Assert.Equal(1, camera.Plays);
    }

    private static async Task ChangesResolutionAsync(FaultRun run)
    {
        var go = new TaskCompletionSource();
        var other = await EncodedPictures.H264Async("96x64");
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
        {
            var time = await viewer.PlayUntilAsync(go.Task);
            while (true)
            {
                await viewer.SendAsync(time += 3600, other);
                await Task.Delay(TimeSpan.FromMilliseconds(40), TimeProvider.System, viewer.Stop);
            }
        }));
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a");
        run.Now();
        go.SetResult();
        await Eventually.TrueAsync(() => run.Since("a/tracks").Any(m =>
            m.Text.Contains("\"width\":96,\"height\":64", StringComparison.Ordinal)), "the new size");
        await run.RecoveredAsync();
        await run.EventAsync("tracker.reset", "resolution_change");
        Assert.Equal((1, 2), (camera.Plays, run.Epochs("a")));
    }

    private static async Task ChangesCodecAsync(FaultRun run)
    {
        var (go, gone) = (new TaskCompletionSource(), 0);
        var other = await EncodedPictures.Mpeg4Async();
        ScriptedCamera? camera = null;
        camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
        {
            var time = await viewer.PlayUntilAsync(go.Task);
            if (Interlocked.Exchange(ref gone, 1) != 0) await viewer.PlayAsync();
            camera!.Pictures = other;
            while (true)
            {
                await viewer.SendAsync(time += 3600, other, payloadType: 97);
                await Task.Delay(TimeSpan.FromMilliseconds(40), TimeProvider.System, viewer.Stop);
            }
        }));
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a");
        run.Now();
        go.SetResult();
        await run.StateAsync("offline", "stalled");
        await run.StateAsync("online");
        await run.RecoveredAsync();
        await Eventually.TrueAsync(() => run.Since("a/state").Any(m =>
            m.Text.Contains("\"codec\":\"mpeg4\"", StringComparison.Ordinal)), "the new codec");
        await run.EventAsync("tracker.reset", "source_restarted");
    }

    private static async Task FlapsAsync(FaultRun run)
    {
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
        {
            // The decoder takes the first half second to see what it gets.
            await viewer.PlayAsync(pictures: viewer.Number < 6 ? 23 : int.MaxValue);
        }));
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        run.Now();
        await Eventually.TrueAsync(() => camera.Plays > 6, "seven connections");
        await run.RecoveredAsync(frames: 20);
        Assert.True(run.Epochs("a") > 3);
    }

    private static async Task MassOutageAsync(FaultRun run)
    {
        const int cameras = 16;
        var port = FreePorts.Next();
        var pictures = await EncodedPictures.H264Async();
        var first = new ScriptedCamera(pictures, v => v.PlayAsync(milliseconds: 100), port);
        var yaml = string.Join("\n", Enumerable.Range(0, cameras)
            .Select(i => $"c{i}: {{ url: '{first.Url}', rtsp: {{ connect_timeout: 60s, stall_timeout: 20s }} }}"));
        await run.StartAsync(yaml);
        for (var i = 0; i < cameras; i++) await run.FramesAsync($"c{i}", 1);
        run.Now();
        await first.DisposeAsync();
        for (var i = 0; i < cameras; i++) await run.StateAsync("offline", camera: $"c{i}");

        // Nobody gets a picture before all are there: were one waiting for another, none would ever come.
        var (waiting, all) = (0, new TaskCompletionSource());
        run.Own(new ScriptedCamera(pictures, async viewer =>
        {
            if (Interlocked.Increment(ref waiting) == cameras) all.SetResult();
            await all.Task.WaitAsync(viewer.Stop);
            await viewer.PlayAsync(milliseconds: 100);
        }, port));
        run.Now();
        await all.Task.WaitAsync(TimeSpan.FromSeconds(100), TimeProvider.System);
        for (var i = 0; i < cameras; i++) await run.FramesAsync($"c{i}", 1);
        await run.RecoveredAsync("c15");
        for (var i = 0; i < cameras; i++) await run.StateAsync("online", camera: $"c{i}");
        run.Note("16 offline, 16 connecting at once, 16 online");
    }
}
