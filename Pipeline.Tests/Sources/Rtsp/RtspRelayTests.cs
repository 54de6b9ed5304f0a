using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Rtsp;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>Cameras with a login or TLS behind the relay, with the real decoder.</summary>
public sealed class RtspRelayTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory(Timeout = 120_000)]
    [InlineData(RtspTransport.Tcp)]
    [InlineData(RtspTransport.Udp)]
    public async Task ReadAsync_LoginInTheUrl_IsInNoCommandLine(RtspTransport transport)
    {
        await using var server = await RtspServer.StartAsync("user:hunter2-secret");
        await using var rig = new SourceRig();
        List<string> lines = [];

        await rig.ReadAsync(new SourceOptions
        {
            Url = server.Url("user:hunter2-secret@"),
            Queue = { Policy = QueuePolicy.Wait },
            Rtsp = { Transport = transport }
        }, most: 10, _ => lines.AddRange(CommandLines.OfCameras()));

        Assert.Contains(lines, line => line.Contains("rtsp://127.0.0.1", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains("hunter2", StringComparison.Ordinal)
            || line.Contains($":{server.Port}/", StringComparison.Ordinal));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_DigestWhoseNonceIsChanged_IsAnsweredAgain()
    {
        // Every second request has a stale nonce.
        var asked = 0;
        var refused = new ConcurrentQueue<string>();
        await using var camera = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        camera.Guard = request =>
        {
            var nonce = $"n{asked / 2}";
            if (request["Authorization"] is { } answer
                && answer.Contains($"nonce=\"{nonce}\"", StringComparison.Ordinal))
            {
                if (!IsRight(request.FirstLine.Split(' ')[0], answer)) refused.Enqueue(answer);
                asked++;
                return null;
            }

            return $"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"b\"\r\nWWW-Authenticate: Digest "
                + $"realm=\"a \\\"cam\\\"\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5\r\n";
        };
        await using var rig = new SourceRig();

        var frames = await rig.ReadAsync(new SourceOptions
        {
            Url = camera.Url,
            Username = "üser",
            Password = "p:@\"\\",
            Queue = { Policy = QueuePolicy.Wait },
        }, most: 5);

        Assert.Equal(5, frames.Count);
        Assert.Empty(refused);
        Assert.True(asked >= 4, $"OPTIONS, DESCRIBE, SETUP and PLAY, {asked} were answered");
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_WrongLogin_IsSaidOnceAndNotTriedForEver()
    {
        var requests = 0;
        await using var camera = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        camera.Guard = _ => $"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", "
            + $"nonce=\"{Interlocked.Increment(ref requests)}\"\r\n";

        var fault = await FaultAsync(new SourceOptions { Url = camera.Url, Username = "u", Password = "hunter2" });

        Assert.Equal(SourceFault.AuthFailed, fault.Fault);
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
        Assert.InRange(requests, 2, 4); // two for each method: cameras lock out after many wrong logins
    }

    [Theory(Timeout = 120_000)]
    [InlineData("Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256", "it asks for Digest with SHA-512-256; ")]
    [InlineData("Negotiate", "it asks for Negotiate; ")]
    public async Task ReadAsync_LoginThatIsNotSupported_IsNamed(string challenge, string says)
    {
        await using var camera = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        camera.Guard = _ => $"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n";

        var fault = await FaultAsync(new SourceOptions { Url = camera.Url, Username = "u", Password = "hunter2" });

        Assert.Equal(SourceFault.AuthFailed, fault.Fault);
        Assert.Contains($"login is not supported: {says}", fault.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_LoginAsParameters_GoesToTheCameraOnly()
    {
        var heard = new ConcurrentQueue<string>();
        await using var camera = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        camera.Guard = request =>
        {
            heard.Enqueue(request.FirstLine);
            return null;
        };
        await using var rig = new SourceRig();
        List<string> lines = [];

        var options = new SourceOptions
        {
            Url = camera.Url + "?user=a&pw=hunter2",
            Queue = { Policy = QueuePolicy.Wait },
        };
        await rig.ReadAsync(options, most: 3, _ => lines.AddRange(CommandLines.OfCameras()));

        Assert.Contains(heard, line => line == $"DESCRIBE {camera.Url}?user=a&pw=hunter2 RTSP/1.0");
        Assert.NotEmpty(lines);
        Assert.DoesNotContain(lines, line => line.Contains("hunter2", StringComparison.Ordinal));
    }

    [Theory(Timeout = 120_000)]
    [InlineData("camera", "camera-ca", true, null)]            // signed by the authority that the file holds
    [InlineData("other", "other", true, null)]            // the certificate itself, in any name
    [InlineData("other", null, false, null)]              // not asked
    [InlineData("camera", null, true, "which is not trusted")]
    [InlineData("camera", "foreign-ca", true, "which is not trusted")]
    [InlineData("other", "other-ca", true, "not for localhost")]
    [InlineData("expired", "expired-ca", true, "is not valid now")]
    public async Task ReadAsync_Tls_TrustsWhoItShould(string certificate, string? ca, bool verify, string? refusal)
    {
        WriteCertificates();
        await using var server = await RtspServer.StartAsync("user:right");
        await using var front = new TlsFront(server.Port, _folder.Root, certificate);
        var options = new SourceOptions
        {
            Url = $"rtsps://user:right@localhost:{front.Port}/cam1",
            Queue = { Policy = QueuePolicy.Wait },
            Rtsp =
            {
                Tls = { Ca = ca is null ? null : Path.Combine(_folder.Root, ca + ".pem"), Verify = verify },
            },
        };
        if (refusal is null)
        {
            await using var rig = new SourceRig();
            Assert.Equal(10, (await rig.ReadAsync(options, most: 10)).Count);
            return;
        }

        var fault = await FaultAsync(options);

        Assert.Equal(SourceFault.Tls, fault.Fault);
        Assert.Contains(refusal, fault.Message, StringComparison.Ordinal);
        Assert.Equal(0, front.Secured);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_TlsWithACameraThatSpeaksNone_IsATlsFault()
    {
        await using var server = await RtspServer.StartAsync();

        Assert.Equal(SourceFault.Tls,
            (await FaultAsync(new SourceOptions
            {
                Url = $"rtsps://localhost:{server.Port}/cam1",
                Rtsp = { ConnectTimeout = TimeSpan.FromSeconds(5) }
            })).Fault);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_CaFileThatIsNone_IsAConfigFault()
    {
        WriteCertificates();
        await using var front = new TlsFront(1, _folder.Root, "camera");
        await File.WriteAllTextAsync(Path.Combine(_folder.Root, "empty.pem"),
            "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n");

        Assert.Equal(SourceFault.Config,
            (await FaultAsync(new SourceOptions
            {
                Url = $"rtsps://localhost:{front.Port}/cam1",
                Rtsp = { Tls = { Ca = Path.Combine(_folder.Root, "empty.pem") } }
            })).Fault);
        Assert.Equal(SourceFault.Config,
            (await FaultAsync(new SourceOptions
            {
                Url = $"rtsps://localhost:{front.Port}/cam1",
                Rtsp = { Tls = { Ca = Path.Combine(_folder.Root, "none.pem") } }
            })).Fault);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_CameraWithoutLoginThatSendsElsewhere_IsFollowed()
    {
        await using var there = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        await using var here = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        here.Guard = _ => $"RTSP/1.0 302 Found\r\nLocation: {there.Url}\r\n";
        await using var rig = new SourceRig();

        var options = new SourceOptions { Url = here.Url, Queue = { Policy = QueuePolicy.Wait } };
        Assert.Equal(5, (await rig.ReadAsync(options, most: 5)).Count);
        Assert.Equal((0, 1), (here.Plays, there.Plays));
    }

    [Theory(Timeout = 120_000)]
    [InlineData("RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://u:hunter3@127.0.0.1:9/x\r\n\r\n",
        SourceFault.Refused)]
    [InlineData("RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: http://u:hunter3@127.0.0.1:9/x\r\n\r\n",
        SourceFault.Config)]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n", SourceFault.Eof, SourceFault.DecodeErrors)]
    [InlineData("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n", SourceFault.DecodeErrors)]
    [InlineData("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n", SourceFault.Eof,
        SourceFault.DecodeErrors)]
    [InlineData("\0\0\0\0\u00ff\u00ff\u00ff", SourceFault.Eof, SourceFault.DecodeErrors)]
    public async Task ReadAsync_CameraThatAnswersOddly_EndsWithATypedFault(string answer, params SourceFault[] expected)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = Task.Run(async () =>
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync();
                await client.GetStream().ReadExactlyAsync(new byte[8]);
                await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(answer));
                client.Client.Shutdown(SocketShutdown.Send);
                while (await client.GetStream().ReadAsync(new byte[4096]) > 0) { }
            }
        });

        var fault = await FaultAsync(
            new SourceOptions
            {
                Url = $"rtsp://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/x",
                Username = "u",
                Password = "hunter2",
                Rtsp = { ConnectTimeout = TimeSpan.FromSeconds(60) }
            });

        Assert.Contains(fault.Fault, expected);
        Assert.DoesNotContain("hunter", fault.ToString(), StringComparison.Ordinal);
        listener.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => serving);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_CameraThatSendsEndlessHeaders_IsCutOff()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = Task.Run(async () =>
        {
            using var client = await listener.AcceptTcpClientAsync();
            await client.GetStream().WriteAsync("RTSP/1.0 200 OK\r\nX: "u8.ToArray());
            while (true) await client.GetStream().WriteAsync(new byte[1024].Select(_ => (byte)'x').ToArray());
        });

        var fault = await FaultAsync(
            new SourceOptions
            {
                Url = $"rtsp://u:p@127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/x",
                Rtsp = { ConnectTimeout = TimeSpan.FromSeconds(20) }
            });

        Assert.Equal(SourceFault.DecodeErrors, fault.Fault);
        Assert.Contains("has no end", fault.Message, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<IOException>(() => serving);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_CameraWithALoginSaysNothing_TimesOut()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        foreach (var scheme in (string[])["rtsp", "rtsps"])
        {
            var fault = await FaultAsync(
                new SourceOptions
                {
                    Url = $"{scheme}://u:p@127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/x",
                    Rtsp = { ConnectTimeout = TimeSpan.FromSeconds(1) }
                });
            Assert.Equal(SourceFault.Timeout, fault.Fault);
        }
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_NobodyThereOrNoSuchName_IsTyped()
    {
        Assert.Equal(SourceFault.Refused,
            (await FaultAsync(new SourceOptions { Url = $"rtsp://u:p@127.0.0.1:{FreePorts.Next()}/x" })).Fault);
        Assert.Equal(SourceFault.NotFound,
            (await FaultAsync(new SourceOptions
            {
                Url = "rtsp://u:p@no-such-camera.invalid/x",
                Rtsp = { ConnectTimeout = TimeSpan.FromMinutes(1) }
            })).Fault);
    }

    /// <summary>Also after hundreds of keep-alives without an answer, and a late one is passed on.</summary>
    [Fact(Timeout = 120_000)]
    public async Task Relay_KeepAlivesWithoutAnswer_PacketsFlowOn()
    {
        const int Asked = 200;
        var packet = RtcpPacket.Interleaved(0, [0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = RtspAddress.Parse($"rtsp://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/cam");
        await using var relay = await RtspRelay.OpenAsync(
            address, new(), null, TimeSpan.FromSeconds(10), TimeProvider.System, default);
        using var camera = await listener.AcceptTcpClientAsync();
        using var decoder = new TcpClient(AddressFamily.InterNetwork);
        await decoder.ConnectAsync(IPAddress.Loopback, new Uri(relay.Url).Port);
        var (asked, answered) = (new RtspReader(camera.GetStream()), new RtspReader(decoder.GetStream()));
        string? first = null, last = null;

        for (var i = 0; i < Asked; i++)
        {
            var request = $"GET_PARAMETER {relay.Url} RTSP/1.0\r\nCSeq: {1000 + i}\r\n\r\n";
            await decoder.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
            last = RtspMessage.Parse((await asked.ReadAsync(default)).Span)["CSeq"];
            first ??= last;
            await camera.GetStream().WriteAsync(packet);
            Assert.Equal(packet, (await answered.ReadAsync(default)).ToArray());
        }

        foreach (var (number, expected) in new[] { (last, $"{1000 + Asked - 1}"), (first, $"{1000 + Asked - 64}") })
        {
            await camera.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n\r\n"));
            Assert.Equal(expected, RtspMessage.Parse((await answered.ReadAsync(default)).Span)["CSeq"]);
        }
    }

    /// <summary>The password itself does not go to another host; a login by Digest does.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData("Digest realm=\"r\", nonce=\"1\"", "Digest ")]
    [InlineData("Basic realm=\"r\"", null)]
    public async Task ReadAsync_RedirectionToAnotherHost_KeepsThePassword(string challenge, string? expected)
    {
        await using var there = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        await using var here = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        var logins = new ConcurrentQueue<string>();
        here.Guard = _ => $"RTSP/1.0 302 Found\r\nLocation: rtsp://localhost:{there.Port}/cam\r\n";
        there.Guard = request =>
        {
            if (request["Authorization"] is not { } login)
                return $"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n";
            logins.Enqueue(login);
            return null;
        };
        await using var rig = new SourceRig();
        var options = new SourceOptions
        {
            Url = here.Url,
            Username = "u",
            Password = "hunter2",
            Queue = { Policy = QueuePolicy.Wait },
        };

        if (expected is null) Assert.Equal(SourceFault.AuthFailed, (await rig.FaultAsync(options)).Fault);
        else Assert.Equal(3, (await rig.ReadAsync(options, most: 3)).Count);

        Assert.All(logins, login => Assert.StartsWith(expected ?? "nothing", login, StringComparison.Ordinal));
        Assert.Equal(expected is not null, !logins.IsEmpty);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_EndlessRedirection_IsAConfigFault()
    {
        await using var camera = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        camera.Guard = _ => $"RTSP/1.0 301 Moved\r\nLocation: {camera.Url}\r\n";

        Assert.Equal(SourceFault.Config, (await FaultAsync(new SourceOptions { Url = camera.Url })).Fault);
        Assert.Equal(6, camera.Requests.Count);
    }

    [Theory(Timeout = 120_000)]
    [InlineData("/cam/", "--no-content-base", "--strict-setup")]
    [InlineData("/cam", "--lf")]
    [InlineData("/cam", "--garbage", "37")]
    [InlineData("/cam", "--silent", "--session-timeout", "2")]
    public async Task ReadAsync_FieldCases_Play(string path, params string[] arguments)
    {
        await using var camera =
            await FieldCamera.StartAsync("tools/gop1s.h264", ["--path", path, .. arguments]);
        await using var rig = new SourceRig();

        var frames = await rig.ReadAsync(new SourceOptions
        {
            Url = camera.Url(path),
            Queue = { Policy = QueuePolicy.Wait },
        }, most: 40);

        Assert.All(frames, f => Assert.Equal((320, 240, 0), (f.Width, f.Height, f.Session)));
    }

    [Fact(Timeout = 120_000)]
    public async Task Relay_AnotherUsersProgram_GetsNothing_AndOursStillDoes()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess
            && File.Exists("/usr/bin/setpriv"), "Only root can be somebody else.");
        await using var server = await RtspServer.StartAsync("user:right");
        await using var relay = await RtspRelay.OpenAsync(RtspAddress.Parse(server.Url("user:right@")), new(), null,
            TimeSpan.FromSeconds(10), TimeProvider.System, default);
        var port = new Uri(relay.Url).Port;
        var ask =
            $"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'OPTIONS {relay.Url} RTSP/1.0\\r\\nCSeq: 7\\r\\n\\r\\n' >&3; "
            + $"head -c 15 <&3";

        Assert.Equal("",
            await RunAsync("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", ask));
        Assert.Equal("RTSP/1.0 200 OK", await RunAsync("bash", "-c", ask));
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return said;
    }

    private void WriteCertificates() =>
        TestCertificates.WriteApart(_folder.Root, ("foreign", "localhost", 2045), ("other", "camera.example", 2045),
            ("expired", "localhost", 2021), ("camera", "localhost", 2045));

    // RFC 2617, 3.2.2.1, with qop, written independently of the program.
    [SuppressMessage("Security", "CA5351", Justification = "What such cameras check.")]
    private static bool IsRight(string method, string answer)
    {
        string Of(string name) =>
            Regex.Unescape(Regex.Match(answer, $"{name}=\"?((?:[^\",\\\\]|\\\\.)*)").Groups[1].Value);
        static string Md5(string text) => Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(text)));
        var (secret, request) = (Md5("üser:a \"cam\":p:@\"\\"), Md5($"{method}:{Of("uri")}"));
        var expected = Md5($"{secret}:{Of("nonce")}:{Of(" nc")}:{Of("cnonce")}:auth:{request}");
        return Of("response") == expected
            && Of("username") == Encoding.Latin1.GetString(Encoding.UTF8.GetBytes("üser"));
    }

    private static async Task<SourceException> FaultAsync(SourceOptions options)
    {
        await Clips.RunAsync("-version");
        await using var rig = new SourceRig();
        return await rig.FaultAsync(options);
    }
}
