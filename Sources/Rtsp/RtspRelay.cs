using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>
/// Relay between the decoder and a camera: the decoder opens an address on loopback, for one connection of our own
/// user; the relay puts the camera's address and login into its requests, verifies the camera's certificate, and passes
/// a view of the packets to <see cref="SenderReports"/>. So no password is in a command line, ffmpeg, which verifies no
/// certificate over RTSP, needs no TLS, and the camera's clock is known, which ffmpeg does not report. Packets pass
/// unchanged, noise between them does not; a slow reader slows the camera, as without a relay. The relay accepts what
/// the decoder would accept: a test plays the same cameras to both. At its end it closes the camera's session where the
/// decoder has not: cameras have few, and keep one until its timeout.
/// </summary>
internal sealed class RtspRelay : IAsyncDisposable
{
    private const int MostAnswers = 3;  // to one request
    private const int MostPending = 64; // requests without an answer; some cameras answer no keep-alives
    private const string Teardown = "TEARDOWN";

    // For closing the session; the end of a camera waits no longer.
    private static readonly TimeSpan s_teardownTimeout = TimeSpan.FromSeconds(0.5);

    private readonly RtspAddress _camera;
    private readonly TcpClient _client;
    private readonly Stream _remote;
    private readonly RtspReader _fromCamera;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    // Guards writing to the camera, the pending requests, the login, the session and the tracks.
    private readonly SemaphoreSlim _toCamera = new(1);
    private readonly List<Request> _pending = [];
    private readonly RtspLogin? _login;
    private readonly SenderReports? _reports;
    private readonly TimeProvider _time;
    private readonly List<string> _tracks = []; // as the decoder addresses them
    private readonly HashSet<int> _channels = [];
    private int _sequence;
    private (string Id, string Uri)? _session; // as the camera has it; null: none, or closed by the decoder
    private Task<SourceException?> _serving = Task.FromResult<SourceException?>(null);

    private RtspRelay(RtspAddress camera, TcpClient client, Stream remote, SenderReports? reports, TimeProvider time)
    {
        (_camera, _client, _remote, _reports, _time) = (camera, client, remote, reports, time);
        _fromCamera = new(remote, _channels);
        _login = camera.HasLogin ? new(camera.User, camera.Password, camera.IsElsewhere) : null;
        _listener.Start();
        // The decoder puts a slash between an address and the name of a track, unless the address ends with one.
        var path = camera.Url.EndsWith('/') ? "camera/" : "camera";
        Url = string.Create(CultureInfo.InvariantCulture,
            $"rtsp://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/{path}");
    }

    /// <summary>Address for the decoder, over TCP unless the camera is to send datagrams.</summary>
    public string Url { get; }

    /// <summary>Address to which the camera redirected the decoder, which ended the connection; null: none.</summary>
    public string? Location { get; private set; }

    /// <summary>Connects to the camera and waits for the decoder.</summary>
    /// <param name="reports">Receives the packets; null for datagrams, which do not pass the relay.</param>
    /// <exception cref="SourceException">The camera cannot be reached or is not trusted.</exception>
    public static async Task<RtspRelay> OpenAsync(
        RtspAddress camera, RtspTlsOptions tls, SenderReports? reports, TimeSpan timeout, TimeProvider time,
        CancellationToken stop)
    {
        var (client, stream) = await CameraConnection.OpenAsync(camera, tls, timeout, time, stop);
        var relay = new RtspRelay(camera, client, stream, reports, time);
        relay._serving = relay.ServeAsync();
        return relay;
    }

    /// <summary>Ends the connection; the fault for which the relay had ended it before, or null.</summary>
    public async Task<SourceException?> EndAsync()
    {
        await _stop.CancelAsync();
        return await _serving;
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        await _remote.DisposeAsync();
        _client.Dispose();
        _listener.Dispose();
        _toCamera.Dispose();
        _stop.Dispose();
    }

    private async Task<SourceException?> ServeAsync()
    {
        try
        {
            using var socket = await AcceptAsync();
            _listener.Stop();
            socket.NoDelay = true;
            await using var decoder = new NetworkStream(socket);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            Task[] ways = [FromDecoderAsync(decoder, both.Token), FromCameraAsync(decoder, both.Token)];
            var first = await Task.WhenAny(ways);
            await both.CancelAsync(); // one side has closed
            await Task.WhenAll(ways).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await CloseSessionAsync();
            await first;
            await Task.WhenAll(ways);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException
            or ObjectDisposedException)
        {
            // The camera or the decoder has closed; the decoder's messages and exit code have the reason.
        }
        catch (FormatException e)
        {
            return new SourceException(SourceFault.DecodeErrors, $"What came is not RTSP: {e.Message}.", e);
        }
        catch (SourceException e)
        {
            return e;
        }

        return null;
    }

    private async Task<Socket> AcceptAsync()
    {
        while (true)
        {
            var socket = await _listener.AcceptSocketAsync(_stop.Token);
            if (SocketOwners.Same((IPEndPoint)socket.LocalEndPoint!, (IPEndPoint)socket.RemoteEndPoint!)) return socket;
            socket.Dispose(); // a program of another user
        }
    }

    private async Task FromDecoderAsync(NetworkStream decoder, CancellationToken stop)
    {
        var reader = new RtspReader(decoder);
        while (await reader.ReadAsync(stop) is { IsEmpty: false } unit)
        {
            if (reader.Unit == RtspUnit.Noise) continue;
            await _toCamera.WaitAsync(stop);
            try
            {
                if (reader.Unit == RtspUnit.Data || RtspMessage.Parse(unit.Span) is not { IsResponse: false } request)
                    await _remote.WriteAsync(unit, stop);
                else await AskAsync(ToRequest(request), stop);
            }
            finally
            {
                _toCamera.Release();
            }
        }
    }

    private async Task FromCameraAsync(NetworkStream decoder, CancellationToken stop)
    {
        while (await _fromCamera.ReadAsync(stop) is { IsEmpty: false } unit)
        {
            if (_fromCamera.Unit == RtspUnit.Noise) continue;
            if (_fromCamera.Unit == RtspUnit.Data) _reports?.Received(unit.Span);
            if (ResponseIn(unit) is not { } response) await decoder.WriteAsync(unit, stop);
            else if (await AnswerAsync(response, stop) is { } answer) await decoder.WriteAsync(answer.ToBytes(), stop);
        }
    }

    private RtspMessage? ResponseIn(ReadOnlyMemory<byte> unit) =>
        _fromCamera.Unit == RtspUnit.Message && RtspMessage.Parse(unit.Span) is { IsResponse: true } response
            ? response
            : null;

    /// <summary>Closes the session and waits for the answer: a connection that ends with packets unread is reset, and
    /// some systems then lose what was sent last.</summary>
    private async Task CloseSessionAsync()
    {
        if (_session is not var (id, uri)) return;
        using var limit = new CancellationTokenSource(s_teardownTimeout, _time);
        try
        {
            var text = $"{Teardown} {uri} RTSP/1.0\r\nSession: {id}\r\n\r\n";
            var message = RtspMessage.Parse(Encoding.Latin1.GetBytes(text));
            await AskAsync(new(message, Teardown, uri, uri, DecodersNumber: ""), limit.Token);
            while (_pending.Exists(request => request.Method == Teardown)
                && await _fromCamera.ReadAsync(limit.Token) is { IsEmpty: false } unit)
                if (ResponseIn(unit) is { } response) await AnswerAsync(response, limit.Token);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException
            or ObjectDisposedException or InvalidOperationException or FormatException or SourceException)
        {
            // The camera has closed, or does not answer: the session ends at its timeout.
        }
    }

    private Request ToRequest(RtspMessage message)
    {
        if (message.FirstLine.Split(' ') is not [var method, var asked, var version])
            throw new FormatException("a request is not of three words");
        if (_pending.Count == MostPending) _pending.RemoveAt(0);
        var uri = asked.StartsWith(Url, StringComparison.Ordinal) ? _camera.Url + asked[Url.Length..] : asked;
        message.FirstLine = $"{method} {uri} {version}";
        return new Request(message, method, asked, uri, message["CSeq"] ?? "");
    }

    private async Task AskAsync(Request request, CancellationToken stop)
    {
        var answer = _login?.Answer(request.Method, request.Uri);
        if (answer is not null) request.Message.Set("Authorization", answer);
        // The relay numbers the requests, because some are sent twice.
        var sent = request with
        {
            Number = (++_sequence).ToString(CultureInfo.InvariantCulture),
            Answers = request.Answers + (answer is null ? 0 : 1),
            Sent = _time.GetTimestamp(),
        };
        request.Message.Set("CSeq", sent.Number);
        if (request.Method == Teardown) _session = null;
        _pending.Add(sent);
        await _remote.WriteAsync(request.Message.ToBytes(), stop);
    }

    /// <summary>Response for the decoder; null: the request was sent again with a login.</summary>
    private async Task<RtspMessage?> AnswerAsync(RtspMessage response, CancellationToken stop)
    {
        if (response.Status is >= 300 and < 400 && response["Location"] is { } location)
        {
            Location = location;
            throw new IOException("The camera redirects.");
        }

        await _toCamera.WaitAsync(stop);
        try
        {
            var at = Math.Max(0, _pending.FindIndex(request => request.Number == response["CSeq"]));
            if (at >= _pending.Count) return response;
            var request = _pending[at];
            _pending.RemoveAt(at);
            if (response.Status == 401)
            {
                if (request.Answers < MostAnswers && TakeChallenges(response, request.Answers > 0))
                {
                    await AskAsync(request, stop);
                    return null;
                }
            }
            else if (response.Status < 300) Succeeded(request, response);

            // Spaces mean nothing there, and decoders do not expect them.
            if (response["Transport"] is { } spaced)
                response.Set("Transport", spaced.Replace(" ", "", StringComparison.Ordinal));
            if (response.Status < 300 && _reports is not null) Learn(_reports, request, response);

            response.Set("CSeq", request.DecodersNumber);
            // Otherwise the decoder expects datagrams from where it connected to.
            if (response["Transport"] is { } transport && !transport.Contains("TCP", StringComparison.OrdinalIgnoreCase)
                && !transport.Contains("source=", StringComparison.OrdinalIgnoreCase))
                response.Set("Transport", $"{transport};source={Address()}");
            return response;
        }
        finally
        {
            _toCamera.Release();
        }
    }

    private bool TakeChallenges(RtspMessage response, bool answered)
    {
        string[] challenges = [.. response.Values("WWW-Authenticate")];
        if (_login?.Unsupported(challenges) is { } problem)
            throw new SourceException(SourceFault.AuthFailed, $"The camera's login is not supported: {problem}.");
        return _login?.Take(challenges, answered) == true;
    }

    private void Succeeded(Request request, RtspMessage response)
    {
        if (request.Answers > 0) _login?.Accepted();
        // PLAY has the address of the whole session, SETUP that of one track.
        if (request.Method is not ("SETUP" or "PLAY")) return;
        if ((response["Session"]?.Split(';')[0].Trim() ?? _session?.Id) is { } id) _session = (id, request.Uri);
    }

    // The decoder subtracts the rtptime of RTP-Info from all timestamps, so that they can be traced to those that came.
    // It finds it by the track's address, in words between commas and semicolons.
    private void Learn(SenderReports reports, Request request, RtspMessage response)
    {
        reports.Answered(_time.GetElapsedTime(request.Sent));
        if (request.Method == "SETUP")
        {
            var channel = ChannelOf(response["Transport"] ?? "");
            _tracks.Add(request.Asked);
            _channels.UnionWith([channel, channel + 1]);
            reports.Follow(channel);
        }
        else if (request.Method == "PLAY" && _tracks is [var track] && track.IndexOfAny([',', ';']) < 0)
        {
            response.Set("RTP-Info",
                string.Create(CultureInfo.InvariantCulture, $"url={track};seq=0;rtptime={SenderReports.Origin}"));
            response.Remove("Range");
            reports.AreTraced = true;
        }
    }

    private static int ChannelOf(string transport)
        => transport.Split(';').Select(part => part.Split('=', '-'))
            .FirstOrDefault(part => part[0].Equals("interleaved", StringComparison.OrdinalIgnoreCase))
            is [_, var channel, ..] && byte.TryParse(channel, CultureInfo.InvariantCulture, out var number)
            ? number
            : 0;

    private IPAddress Address()
    {
        var address = ((IPEndPoint)_client.Client.RemoteEndPoint!).Address;
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }

    /// <param name="Asked">The address as the decoder wrote it.</param>
    /// <param name="Number">The relay's own, which the camera's response has.</param>
    /// <param name="Answers">Times that it was sent with a login.</param>
    private sealed record Request(RtspMessage Message, string Method, string Asked, string Uri, string DecodersNumber,
        string Number = "", int Answers = 0, long Sent = 0);
}
