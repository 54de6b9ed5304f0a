using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Sources.Rtsp;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>
/// An RTSP camera (RFC 2326, RTP interleaved in TCP) that sends what a test wrote down, timestamps included: for what
/// no real server does on demand. Each connection that plays runs the script; when the script ends, the connection is
/// closed.
/// </summary>
internal sealed class ScriptedCamera : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Viewer, Task> _script;
    private readonly Task _serving;
    private int _plays;

    /// <param name="script">What happens after PLAY.</param>
    public ScriptedCamera(EncodedPictures pictures, Func<Viewer, Task> script, int port = 0)
    {
        (Pictures, _script) = (pictures, script);
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start();
        _serving = ServeAsync();
    }

    /// <summary>Frames of the next connection.</summary>
    public EncodedPictures Pictures { get; set; }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Path and query of its address.</summary>
    public string Path { get; set; } = "/cam";

    public string Url => string.Create(CultureInfo.InvariantCulture, $"rtsp://127.0.0.1:{Port}{Path}");

    /// <summary>Method and address of every request in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Changes a response (method, text of all of it) before it is sent.</summary>
    public Func<string, string, string> Rewrite { get; set; } = static (_, response) => response;

    /// <summary>Responses are sent in pieces of as many bytes, with pauses.</summary>
    public int PieceLength { get; set; } = int.MaxValue;

    /// <summary>Channel of the RTP packets.</summary>
    public byte Channel { get; set; }

    /// <summary>Looks at every request first; what it gives instead of null is the answer,
    /// without its number.</summary>
    public Func<RtspMessage, string?> Guard { get; set; } = static _ => null;

    /// <summary>Connections that played.</summary>
    public int Plays => Volatile.Read(ref _plays);

    public static string UrlAt(int port) => string.Create(CultureInfo.InvariantCulture, $"rtsp://127.0.0.1:{port}/cam");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        var viewers = new List<Task>();
        try
        {
            while (true)
            {
                viewers.Add(TalkAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
                viewers.RemoveAll(v => v.IsCompletedSuccessfully);
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(viewers);
        }
    }

    private async Task TalkAsync(TcpClient client)
    {
        using var _ = client;
        client.NoDelay = true;
        try
        {
            var pictures = Pictures;
            var stream = client.GetStream();
            var reader = new RtspReader(stream);
            Task? playing = null;
            while (true)
            {
                var reading = reader.ReadAsync(_stop.Token).AsTask();
                if (playing is not null && await Task.WhenAny(playing, reading) == playing) break;
                if (await reading is not { IsEmpty: false } unit) break;
                if (reader.Unit == RtspUnit.Data) continue;
                var request = RtspMessage.Parse(unit.Span);
                if (request.IsResponse) continue; // to a request that the script sent
                var (method, sequence) = (request.FirstLine.Split(' ')[0], request["CSeq"]);
                Requests.Enqueue(string.Join(' ', request.FirstLine.Split(' ')[..2]));
                if (Guard(request) is { } refusal)
                {
                    await SendAsync(stream, method, $"{refusal}CSeq: {sequence}\r\n\r\n");
                    continue;
                }

                var body = method == "DESCRIBE" ? Describe(pictures) : "";
                var headers = method switch
                {
                    "OPTIONS" => "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
                    "DESCRIBE" => "Content-Type: application/sdp\r\nContent-Base: " + Url.TrimEnd('/') + "/\r\n",
                    "SETUP" => $"Transport: RTP/AVP/TCP;unicast;interleaved={Channel}-{Channel + 1};ssrc=12345678\r\n"
                        + "Session: 1;timeout=60\r\n",
                    _ => "Session: 1\r\n",
                };
                var answer =
                    $"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{headers}Content-Length: {body.Length}\r\n\r\n{body}";
                await SendAsync(stream, method, answer);
                if (method == "TEARDOWN") return;
                if (method != "PLAY") continue;
                var number = Interlocked.Increment(ref _plays) - 1;
                playing = _script(new Viewer(client, pictures, number, Channel, _stop.Token));
            }

            if (playing is not null) await playing;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException
            or SocketException)
        {
            // The viewer has gone, or the test is over.
        }
    }

    private async Task SendAsync(NetworkStream stream, string method, string response)
    {
        var bytes = Encoding.Latin1.GetBytes(Rewrite(method, response));
        foreach (var piece in bytes.Chunk(PieceLength))
        {
            await stream.WriteAsync(piece, _stop.Token);
            if (piece.Length < bytes.Length)
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, _stop.Token);
        }
    }

    private static string Describe(EncodedPictures pictures)
        => "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
            $"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {pictures.Codec}/90000\r\na=control:track1\r\n";

    /// <summary>One connection that plays.</summary>
    internal sealed class Viewer(
        TcpClient client, EncodedPictures pictures, int number, byte channel, CancellationToken stop)
    {
        private readonly NetworkStream _stream = client.GetStream();
        private ushort _sequence;
        private int _next;

        /// <summary>0 for the first connection that plays.</summary>
        public int Number => number;

        public CancellationToken Stop => stop;

        /// <summary>Sends the next frame.</summary>
        /// <param name="timestamp">RTP timestamp, 1/90000 s; its low 32 bits are sent.</param>
        /// <param name="other">Frames in place of the camera's.</param>
        public async Task SendAsync(long timestamp, EncodedPictures? other = null, byte payloadType = 96)
        {
            var from = other ?? pictures;
            var units = from.Pictures[_next++ % from.Pictures.Count];
            for (var i = 0; i < units.Count; i++)
                await _stream.WriteAsync(Packet(units[i], timestamp, i == units.Count - 1, payloadType), stop);
        }

        /// <summary>Sends frames at their pace, by default until the viewer leaves.</summary>
        public async Task PlayAsync(long timestamp = 90_000, int pictures = int.MaxValue, int milliseconds = 40)
        {
            for (var i = 0; i < pictures; i++, timestamp += 90L * milliseconds)
            {
                await SendAsync(timestamp);
                await Task.Delay(TimeSpan.FromMilliseconds(milliseconds), TimeProvider.System, stop);
            }
        }

        /// <summary>Sends frames at their pace until <paramref name="enough"/>; returns the last timestamp.</summary>
        public async Task<long> PlayUntilAsync(Task enough, long timestamp = 90_000)
        {
            while (!enough.IsCompleted)
            {
                await SendAsync(timestamp += 3600);
                await Task.Delay(TimeSpan.FromMilliseconds(40), TimeProvider.System, stop);
            }

            return timestamp;
        }

        /// <summary>Sends the first half of the next frame.</summary>
        public Task SendHalfAsync(long timestamp)
        {
            var packet = Packet(pictures.Pictures[_next % pictures.Pictures.Count][^1], timestamp, true, 96);
            return _stream.WriteAsync(packet.AsMemory(0, packet.Length / 2), stop).AsTask();
        }

        /// <summary>A sender report: by the camera's clock, this timestamp is at this moment.</summary>
        public Task ReportAsync(DateTimeOffset moment, long timestamp)
            => SendRawAsync(RtcpPacket.Interleaved(1,
                RtcpPacket.SenderReport(0x12345678, RtcpPacket.SecondsOf(moment), unchecked((uint)timestamp))));

        public Task SendRawAsync(byte[] bytes) => _stream.WriteAsync(bytes, stop).AsTask();

        /// <summary>Stays connected without sending.</summary>
        public Task SilenceAsync() => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);

        /// <summary>Ends the connection with RST instead of FIN.</summary>
        public void Reset()
        {
            client.LingerState = new LingerOption(true, 0);
            client.Close();
        }

        private byte[] Packet(byte[] unit, long timestamp, bool last, byte payloadType)
        {
            var packet = new byte[16 + unit.Length];
            (packet[0], packet[1]) = ((byte)'$', channel);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), checked((ushort)(12 + unit.Length)));
            packet[4] = 0x80;
            packet[5] = (byte)((last ? 0x80 : 0) | payloadType);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), _sequence++);
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(8), unchecked((uint)timestamp));
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(12), 0x12345678);
            unit.CopyTo(packet, 16);
            return packet;
        }
    }
}
