using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Rtsp;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>The camera's session at the end of the relay: the decoder is killed and closes none.</summary>
public sealed class RtspTeardownTests
{
    /// <summary>With the real decoder, at a camera that knows a nonce for one request only.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ReadAsync_IsEnded_TheSessionIsClosedOnceWithLogin(bool tls)
    {
        using var folder = new TempFolder();
        TestCertificates.Write(folder.Root, "localhost", "camera");
        var accepted = new ConcurrentQueue<RtspMessage>();
        await using var camera = new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync());
        camera.Guard = request =>
        {
            if (request["Authorization"]?.Contains($"nonce=\"{accepted.Count}\"", StringComparison.Ordinal) != true)
                return "RTSP/1.0 401 Unauthorized\r\n"
                    + $"WWW-Authenticate: Digest realm=\"r\", nonce=\"{accepted.Count}\", stale=true\r\n";
            accepted.Enqueue(request);
            return null;
        };
        await using var front = new TlsFront(camera.Port, folder.Root, "camera");
        await using var rig = new SourceRig();
        var options = new SourceOptions
        {
            Url = tls ? $"rtsps://localhost:{front.Port}/cam" : camera.Url,
            Username = "u",
            Password = "p",
            Queue = { Policy = QueuePolicy.Wait },
            Rtsp = { Tls = { Ca = folder.Path("ca.pem") } },
        };

        Assert.Equal(3, (await rig.ReadAsync(options, most: 3)).Count);

        Assert.Equal(["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"],
            accepted.Select(r => r.FirstLine.Split(' ')[0]));
        var last = accepted.Last();
        Assert.Equal(($"TEARDOWN {camera.Url}/ RTSP/1.0", "1"), (last.FirstLine, last["Session"]));
    }

    [Theory(Timeout = 120_000)]
    [InlineData("OPTIONS", null)]
    [InlineData("SETUP", "/track1")]
    [InlineData("SETUP PLAY", "")]
    [InlineData("SETUP PLAY TEARDOWN", null)]
    public async Task DisposeAsync_OpenSession_IsClosed(string asked, string? closed)
    {
        await using var rig = await Rig.StartAsync(TimeProvider.System);
        foreach (var method in asked.Split(' ')) await rig.AskAsync(method);

        var closing = rig.CloseAsync();

        var request = await rig.RequestAsync();
        Assert.Equal(closed is null ? null : $"TEARDOWN {rig.Address}{closed} RTSP/1.0", request?.FirstLine);
        if (request is not null)
        {
            Assert.Equal("12:ab", request["Session"]);
            await rig.AnswerAsync(request, "200 OK");
        }

        await closing;
    }

    [Fact(Timeout = 120_000)]
    public async Task DisposeAsync_CameraRefusesToPlay_OpensNoSession()
    {
        await using var rig = await Rig.StartAsync(TimeProvider.System);
        await rig.AskAsync("SETUP", "461 Unsupported transport");

        await rig.CloseAsync();

        Assert.Null(await rig.RequestAsync());
    }

    /// <summary>Neither a camera without an answer nor one that sends on delays the end for longer.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task DisposeAsync_CameraDoesNotAnswer_EndsAtTheLimit(bool sends)
    {
        var time = new ManualTime();
        await using var rig = await Rig.StartAsync(time);
        foreach (var method in (string[])["SETUP", "PLAY"]) await rig.AskAsync(method);
        var closing = rig.CloseAsync();
        Assert.StartsWith("TEARDOWN", (await rig.RequestAsync())?.FirstLine, StringComparison.Ordinal);

        if (sends) await rig.SendAsync(Rig.Packet);
        Assert.False(closing.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.5));

        await closing;
    }

    /// <summary>The end comes in the middle of a packet, and the answer after the rest of it.</summary>
    [Fact(Timeout = 120_000)]
    public async Task DisposeAsync_InAPacket_FindsTheAnswer()
    {
        await using var rig = await Rig.StartAsync(new ManualTime()); // without an answer it would wait for ever
        foreach (var method in (string[])["SETUP", "PLAY"]) await rig.AskAsync(method);
        await rig.SendAsync([.. Rig.Packet, .. Rig.Packet[..5]]);
        await rig.PacketAsync();
        await rig.SendAsync(Rig.Packet[5..9]);
        var closing = rig.CloseAsync();
        var request = await rig.RequestAsync();

        await rig.SendAsync(Rig.Packet[9..]);
        await rig.AnswerAsync(request!, "200 OK");

        await closing;
    }

    /// <summary>A relay between a camera and a decoder that the test plays.</summary>
    private sealed class Rig : IAsyncDisposable
    {
        private readonly TcpClient _camera, _decoder;
        private readonly RtspReader _fromRelay, _toDecoder;
        private int _sequence;
        private Task? _closing;

        private Rig(RtspRelay relay, string address, TcpClient camera, TcpClient decoder)
        {
            (Relay, Address, _camera, _decoder) = (relay, address, camera, decoder);
            (_fromRelay, _toDecoder) = (new(camera.GetStream()), new(decoder.GetStream()));
        }

        public static byte[] Packet { get; } =
            RtcpPacket.Interleaved(0, [0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);

        public RtspRelay Relay { get; }

        /// <summary>The camera's.</summary>
        public string Address { get; }

        public static async Task<Rig> StartAsync(TimeProvider time)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var address = $"rtsp://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/cam";
            var relay = await RtspRelay.OpenAsync(
                RtspAddress.Parse(address), new(), null, TimeSpan.FromSeconds(10), time, default);
            var camera = await listener.AcceptTcpClientAsync();
            var decoder = new TcpClient(AddressFamily.InterNetwork);
            await decoder.ConnectAsync(IPAddress.Loopback, new Uri(relay.Url).Port);
            return new(relay, address, camera, decoder);
        }

        /// <summary>Request of the decoder, answered by the camera.</summary>
        public async Task AskAsync(string method, string status = "200 OK")
        {
            var track = method == "SETUP" ? "/track1" : "";
            var session = method is "SETUP" or "OPTIONS" ? "" : "Session: 12:ab\r\n";
            var request = $"{method} {Relay.Url}{track} RTSP/1.0\r\nCSeq: {++_sequence}\r\n{session}\r\n";
            await _decoder.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
            var asked = await RequestAsync();
            await AnswerAsync(asked!, status, method == "SETUP"
                ? "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 12:ab;timeout=60\r\n"
                : "");
            Assert.Contains(status, RtspMessage.Parse((await _toDecoder.ReadAsync(default)).Span).FirstLine,
                StringComparison.Ordinal);
        }

        /// <summary>The next request at the camera; null when the relay has closed.</summary>
        public async Task<RtspMessage?> RequestAsync() =>
            await _fromRelay.ReadAsync(default) is { IsEmpty: false } unit ? RtspMessage.Parse(unit.Span) : null;

        public Task AnswerAsync(RtspMessage request, string status, string headers = "") => SendAsync(
            Encoding.ASCII.GetBytes($"RTSP/1.0 {status}\r\nCSeq: {request["CSeq"]}\r\n{headers}\r\n"));

        /// <summary>Bytes of the camera.</summary>
        public Task SendAsync(byte[] bytes) => _camera.GetStream().WriteAsync(bytes).AsTask();

        /// <summary>Waits for a packet at the decoder.</summary>
        public async Task PacketAsync() => Assert.Equal(Packet, (await _toDecoder.ReadAsync(default)).ToArray());

        /// <summary>Disposes the relay, once.</summary>
        public Task CloseAsync() => _closing ??= Relay.DisposeAsync().AsTask();

        public async ValueTask DisposeAsync()
        {
            _camera.Dispose();
            _decoder.Dispose();
            await CloseAsync();
        }
    }
}
