using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>Streams over HTTP, RTMP and SRT, with ffmpeg as their server.</summary>
public sealed class StreamSourceTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory(Timeout = 120_000)]
    [InlineData("http", "mjpeg")]
    [InlineData("rtmp", "h264")]
    [InlineData("srt", "h264")]
    public async Task ReadAsync_Stream_GivesItsFramesWithTheirTimes(string scheme, string codec)
    {
        // Of this test alone: servers of other tests have logins in their command lines.
        var password = Ulid.New(TimeProvider.System);
        await using var server = await Server.StartAsync(scheme);
        await using var rig = new SourceRig();
        List<string> lines = [];

        var frames = await rig.ReadAsync(
            new SourceOptions
            {
                Url = server.Url($"user:{password}@"),
                Queue = { Policy = QueuePolicy.Wait },
            }, most: 30,
            _ => lines.AddRange(CommandLines.All()));

        Assert.All(frames, f => Assert.Equal((64, 48, 0), (f.Width, f.Height, f.Session)));
        Assert.Equal((codec, true), (rig.Statuses.First(s => s.State == CameraState.Online).Codec, frames.Count == 30));
        var seconds = frames.Select(f => f.Timebase.ToSeconds(f.Pts)).ToList();
        Assert.All(seconds.Zip(seconds.Skip(1)), pair => Assert.True(pair.Second > pair.First, $"{pair}"));
        // 25 frames per second, by the container's clock; motion JPEG has none.
        if (scheme != "http") Assert.Equal(20 * 0.04, seconds[29] - seconds[9], 0.005);
        Assert.NotEmpty(lines);
        Assert.DoesNotContain(lines, line => line.Contains(password, StringComparison.Ordinal));
    }

    [Theory(Timeout = 120_000)]
    [InlineData("http", "mjpeg")]
    [InlineData("rtmp", "h264")]
    [InlineData("srt", "h264")]
    public async Task ProbeAsync_Stream_TellsWhatItIs(string scheme, string codec)
    {
        await using var server = await Server.StartAsync(scheme);

        var report =
            await SourceProbe.ProbeAsync(new SourceOptions { Url = server.Url() }, TimeProvider.System, default);

        Assert.Equal((SourceFault.Ok, codec, 64, 48), (report.Fault, report.Codec, report.Width, report.Height));
    }

    [Theory(Timeout = 120_000)]
    [InlineData("http")]
    [InlineData("rtmp")]
    [InlineData("srt")]
    public async Task ReadAsync_ServerFreezes_IsStalled(string scheme)
    {
        await using var server = await Server.StartAsync(scheme);
        await using var rig = new SourceRig();
        await rig.FreezeAsync(server.Url(), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(2), server.FreezeAsync);

        Assert.Equal(SourceFault.Stalled, rig.Statuses.First(s => s.State == CameraState.Offline).Reason);
    }

    [Theory(Timeout = 120_000)]
    [InlineData("http")]
    [InlineData("https")]
    [InlineData("rtmp")]
    [InlineData("srt")]
    public async Task ReadAsync_NobodyThere_IsRefused(string scheme)
        => Assert.Equal(SourceFault.Refused,
            (await FaultAsync($"{scheme}://u:hunter2@127.0.0.1:{FreePorts.Next()}/x")).Fault);

    [Theory(Timeout = 120_000)]
    [InlineData("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"", SourceFault.AuthFailed)]
    [InlineData("404 Not Found", SourceFault.NotFound)]
    [InlineData("503 Service Unavailable", SourceFault.Refused)]
    [InlineData("302 Found\r\nLocation: file:///etc/passwd", null)]
    [InlineData("302 Found\r\nLocation: rtmp://127.0.0.1:9/x", null)]
    [InlineData("200 OK\r\nContent-Type: application/vnd.apple.mpegurl", null,
        "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")]
    [InlineData("200 OK\r\nContent-Type: text/plain", null, "ffconcat version 1.0\nfile /etc/passwd\n")]
    public async Task ReadAsync_ServerRefusesOrMisleads_EndsWithATypedFault(
        string answer, SourceFault? expected, string body = "")
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var response = Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        async Task AnswerAsync(TcpClient accepted)
        {
            using var client = accepted;
            await client.GetStream().ReadExactlyAsync(new byte[8]);
            await client.GetStream().WriteAsync(response);
            client.Client.Shutdown(SocketShutdown.Send);
            while (await client.GetStream().ReadAsync(new byte[4096]) > 0) { }
        }

        var serving = Task.Run(async () =>
        {
            // A login is tried over another connection, before the first is closed.
            var answers = new List<Task>();
            while (true) answers.Add(AnswerAsync(await listener.AcceptTcpClientAsync()));
        });

        var fault = await FaultAsync($"http://u:hunter2@127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/x");

        if (expected is { } exactly) Assert.Equal(exactly, fault.Fault);
        else Assert.NotEqual(SourceFault.Ok, fault.Fault);
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("root:", fault.ToString(), StringComparison.Ordinal);
        listener.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => serving);
    }

    [Theory(Timeout = 120_000)]
    [InlineData("camera", "camera-ca", true, true)]
    [InlineData("other", null, false, true)]       // not verified
    [InlineData("camera", "foreign-ca", true, false)]
    [InlineData("other", "other-ca", true, false)] // of another host
    public async Task ReadAsync_Https_TrustsWhoItShould(string certificate, string? ca, bool verify, bool trusted)
    {
        TestCertificates.WriteApart(_folder.Root, ("foreign", "localhost", 2045), ("other", "camera.example", 2045),
            ("camera", "localhost", 2045));
        await using var server = await Server.StartAsync("http");
        await using var front = new TlsFront(server.Port, _folder.Root, certificate);
        var options = new SourceOptions
        {
            Url = $"https://localhost:{front.Port}/x",
            Queue = { Policy = QueuePolicy.Wait },
            Rtsp = { Tls = { Ca = ca is null ? null : _folder.Path(ca + ".pem"), Verify = verify } },
        };
        await using var rig = new SourceRig();

        if (trusted) Assert.Equal(5, (await rig.ReadAsync(options, most: 5)).Count);
        else Assert.Equal(SourceFault.Tls, (await rig.FaultAsync(options)).Fault);
    }

    [Theory]
    [InlineData("http://host/x?a='b'", null, null, "http://host/x?a='b'")]
    [InlineData("https://a:b@host:81/x", null, "p@:/", "https://a:p%40%3A%2F@host:81/x")]
    [InlineData("srt://host:9000?passphrase=x", "u", "p", "srt://u:p@host:9000/?passphrase=x")]
    [InlineData("rtsp://host/x", null, null, null)]
    [InlineData("http:///x", null, null, null)]
    [InlineData("http://host/a b", null, null, null)]
    [InlineData("http://host/a\nfile 'x'", null, null, null)]
    [InlineData("file:///etc/passwd", null, null, null)]
    public void TryParse_Url_HasItsLogin(string url, string? user, string? password, string? expected)
        => Assert.Equal(expected, StreamAddress.TryParse(url, user, password)?.Url);

    private static async Task<SourceException> FaultAsync(string url)
    {
        await Clips.RunAsync("-version");
        await using var rig = new SourceRig();
        return await rig.FaultAsync(new SourceOptions { Url = url });
    }

    /// <summary>ffmpeg that serves a test pattern to one viewer.</summary>
    private sealed class Server : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly string _scheme;

        private Server(Process process, string scheme, int port) => (_process, _scheme, Port) = (process, scheme, port);

        public int Port { get; }

        public string Url(string login = "") =>
            $"{_scheme}://{(_scheme == "http" ? login : "")}127.0.0.1:{Port}{(_scheme == "srt" ? "" : "/live/x")}";

        public static async Task<Server> StartAsync(string scheme)
        {
            await Clips.RunAsync("-version");
            var port = FreePorts.Next();
            string[] output = scheme switch
            {
                "http" => ["-c:v", "mjpeg", "-f", "mpjpeg", "-content_type",
                    "multipart/x-mixed-replace;boundary=ffmpeg",
                    "-listen", "1", $"http://127.0.0.1:{port}/live/x"],
                "rtmp" => ["-c:v", "libx264", "-tune", "zerolatency", "-g", "25", "-f", "flv", "-listen", "1",
                    $"rtmp://127.0.0.1:{port}/live/x"],
                _ => ["-c:v", "libx264", "-tune", "zerolatency", "-g", "25", "-f", "mpegts",
                    $"srt://127.0.0.1:{port}?mode=listener"],
            };
            var process = Process.Start(new ProcessStartInfo("ffmpeg", ["-nostdin", "-v", "quiet", "-re", "-f", "lavfi",
                "-i", "testsrc=size=64x48:rate=25", "-pix_fmt", scheme == "http" ? "yuvj420p" : "yuv420p",
                .. output]))!;
            var server = new Server(process, scheme, port);
            await Eventually.TrueAsync(server.Listens, "the server listens");
            return server;
        }

        /// <summary>Keeps its connection open and sends nothing any more.</summary>
        public async Task FreezeAsync()
        {
            using var kill = Process.Start("sh", ["-c", $"kill -STOP {_process.Id}"]);
            await kill.WaitForExitAsync();
            Assert.Equal(0, kill.ExitCode);
        }

        public async ValueTask DisposeAsync()
        {
            if (!_process.HasExited) _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        // Without a connection: the server takes one viewer only.
        private bool Listens() => File.ReadLines(_scheme == "srt" ? "/proc/net/udp" : "/proc/net/tcp")
            .Any(line => line.Contains($":{Port:X4} 00000000:0000", StringComparison.Ordinal));
    }
}
