using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>RTSP against a real server, and against servers that do not speak it.</summary>
public sealed class RtspSourceTests
{
    private const string Password = "p:a@s/s 1#%";

    [Theory(Timeout = 120_000)]
    [InlineData(RtspTransport.Tcp)]
    [InlineData(RtspTransport.Udp)]
    public async Task ReadAsync_RightLogin_GivesFramesWithTheCamerasClock(RtspTransport transport)
    {
        await using var server = await RtspServer.StartAsync("user:" + Password);
        await using var rig = new SourceRig();

        var frames = await rig.ReadAsync(new SourceOptions
        {
            Url = server.Url(),
            Username = "user",
            Password = Password,
            Queue = { Policy = QueuePolicy.Wait },
            Rtsp = { Transport = transport }
        }, most: 40);

        Assert.All(frames, f => Assert.Equal((640, 360, new Timebase(1, 90000)), (f.Width, f.Height, f.Timebase)));
        if (transport == RtspTransport.Udp)
            Assert.All(frames, f =>
                Assert.Equal((ClockSource.Arrival, false, null),
                    (f.Capture.Source, f.Capture.Synced, f.Capture.ErrorMs)));
        // The server sends its first frames twice.
        Assert.Equal(Enumerable.Range(0, 30).Select(i => frames[10].FrameId + i),
            frames.Skip(10).Select(f => f.FrameId));
        Assert.All(frames, f => Assert.Equal(0, f.Session));

        // 25 frames per second on a 90 kHz clock: exact steps (a lost packet may cost a frame).
        Assert.All(frames.Zip(frames.Skip(1)), pair =>
            Assert.True(pair.Second.Pts > pair.First.Pts && (pair.Second.Pts - pair.First.Pts) % 3600 == 0, $"{pair}"));
        Assert.Equal("h264", rig.Last.Codec);
    }

    /// <summary>A real server's reports. Its clock is ours, so that the offset must be nothing.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_ServersReports_GiveTheCaptureTimes()
    {
        await using var server = await RtspServer.StartAsync();
        await using var rig = new SourceRig();
        var known = new List<FrameInfo>();
        using var enough = new CancellationTokenSource();

        var options = new SourceOptions { Url = server.Url(), Queue = { Policy = QueuePolicy.Wait } };
        await SourceRig.ReadAsync(rig.Create(options), stop: enough.Token, look: frame =>
        {
            if (frame.Info.Capture.Source == ClockSource.RtcpSr) known.Add(frame.Info);
            if (known.Count == 20) enough.Cancel();
        });

        Assert.All(known, f => Assert.InRange(f.Capture.Stamp, f.Received.AddSeconds(-2), f.Received));
        // a report that a busy machine held back counts for as much
        Assert.All(known, f => Assert.InRange(f.Capture.OffsetMs, -1000, 5000));
        Assert.Contains(known.Zip(known.Skip(1)), pair =>
            Math.Abs((pair.Second.Capture.Stamp - pair.First.Capture.Stamp).TotalMilliseconds - 40) < 0.1);
    }

    [Theory(Timeout = 120_000)]
    [InlineData("user:wrong-hunter2@", "cam1", SourceFault.AuthFailed)]
    [InlineData("", "cam1", SourceFault.AuthFailed)]
    [InlineData("user:right@", "nowhere", SourceFault.NotFound)]
    public async Task ReadAsync_WrongLoginOrPath_SaysWhichWithoutTheLogin(string login, string path,
        SourceFault expected)
    {
        await using var server = await RtspServer.StartAsync("user:right");

        var fault = await FaultAsync(new SourceOptions { Url = server.Url(login, path) });

        Assert.Equal(expected, fault.Fault);
        // as it stands in the configuration, and the same each time
        Assert.Contains(server.Url(path: path), fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("right@", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_NobodyThere_IsRefused()
        => Assert.Equal(SourceFault.Refused,
            (await FaultAsync(new SourceOptions { Url = $"rtsp://127.0.0.1:{FreePorts.Next()}/x" })).Fault);

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_ServerThatSaysNothing_TimesOut()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();

        var fault = await FaultAsync(
            new SourceOptions { Url = Url(listener), Rtsp = { ConnectTimeout = TimeSpan.FromSeconds(1) } });

        Assert.Equal(SourceFault.Timeout, fault.Fault);
    }

    [Theory(Timeout = 120_000)]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n")]
    [InlineData("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n")]
    [InlineData("\0\0\0\0\u00ff\u00ff\u00ff")]
    public async Task ReadAsync_ServerThatSpeaksNonsense_EndsWithATypedFault(string answer)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = Task.Run(async () =>
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync();
                await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(answer));
            }
        });

        var fault = await FaultAsync(
            new SourceOptions { Url = Url(listener), Rtsp = { ConnectTimeout = TimeSpan.FromSeconds(1) } });

        Assert.NotEqual(SourceFault.Ok, fault.Fault);
        listener.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => serving);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_ServerGoesAndComesBack_ReconnectsAndSaysSo()
    {
        var server = await RtspServer.StartAsync();
        await using var rig = new SourceRig();
        var options = new SourceOptions
        {
            Url = server.Url(),
            Rtsp =
            {
                ConnectTimeout = TimeSpan.FromSeconds(30),
                StallTimeout = TimeSpan.FromSeconds(2),
                Backoff = { Initial = TimeSpan.FromMilliseconds(200), Max = TimeSpan.FromMilliseconds(500) },
            },
        };
        using var stop = new CancellationTokenSource();
        var count = 0;
        var reading =
            SourceRig.ReadAsync(rig.Create(options), look: _ => Interlocked.Increment(ref count), stop: stop.Token);

        await Eventually.TrueAsync(() => count > 10, "frames");
        await server.DisposeAsync();
        await Eventually.TrueAsync(() => rig.Last is { State: CameraState.Offline, Attempt: > 1 }, "offline");
        await using var again = await RtspServer.StartAsync(port: server.Port);
        var before = count;
        await Eventually.TrueAsync(() => count > before + 10, "frames again");
        await stop.CancelAsync();

        var frames = await reading;
        Assert.All(frames.Zip(frames.Skip(1)), pair => Assert.True(pair.First.FrameId < pair.Second.FrameId));
        Assert.Equal(0, frames[0].Session);
        Assert.True(frames[^1].Session > 0);
        Assert.Contains(rig.Statuses, s =>
            s is { State: CameraState.Offline, Reason: SourceFault.Refused, NextRetrySeconds: > 0 });
        Assert.Equal([CameraState.Starting, CameraState.Online], rig.Statuses.Take(2).Select(s => s.State));
        Assert.True(rig.Probe.Sum("dvis.source.reconnects") >= 1);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_CameraFreezes_IsStalledAndItsDecoderGone()
    {
        await using var server = await RtspServer.StartAsync();
        await using var rig = new SourceRig();
        await rig.FreezeAsync(
            server.Url(), TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(5), server.FreezeAsync,
            offline: () => Eventually.TrueAsync(() => !CommandLines.All().Any(c =>
                c.Contains($":{server.Port}/", StringComparison.Ordinal)), "the decoder is gone"));
    }

    [Fact(Timeout = 120_000)]
    public async Task ProbeAsync_Camera_TellsWhatItIs()
    {
        await using var server = await RtspServer.StartAsync("user:right");

        var report = await SourceProbe.ProbeAsync(new SourceOptions { Url = server.Url("user:right@") },
            TimeProvider.System, default);

        Assert.Equal((SourceFault.Ok, "h264", 640, 360), (report.Fault, report.Codec, report.Width, report.Height));
    }

    private static string Url(TcpListener listener) =>
        $"rtsp://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/x";

    private static async Task<SourceException> FaultAsync(SourceOptions options)
    {
        await Clips.RunAsync("-version");
        await using var rig = new SourceRig();
        return await rig.FaultAsync(options);
    }
}
