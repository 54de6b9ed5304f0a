using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>Files and cameras that try to make the real decoder open something else.</summary>
public sealed class HostileSourceTests : IDisposable
{
    private readonly Clips _clips = new();

    [Theory(Timeout = 120_000)]
    [InlineData("playlist.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n")]
    [InlineData("playlist.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{other}\n#EXT-X-ENDLIST\n")]
    [InlineData("remote.m3u8",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n")]
    [InlineData("script.mp4", "ffconcat version 1.0\nfile '{name}'\n")]
    [InlineData("script.ffconcat", "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.ts'\n")]
    [InlineData("session.sdp",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
        + "a=rtpmap:96 H264/90000\n")]
    [InlineData("manifest.mpd",
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" "
        + "profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\" mediaPresentationDuration=\"PT1S\">"
        + "<Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\">"
        + "<BaseURL>http://127.0.0.1:{port}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>")]
    [InlineData("pic%03d.png", "{png}")]
    public async Task ReadAsync_FileThatNamesOthers_OpensNoneOfThem(string name, string content)
    {
        using var elsewhere = new Listener();
        var other = await _clips.MakeAsync("other.ts", "64x48", "20", "-c:v", "mpeg2video");
        await _clips.MakeAsync("pic001.png", "64x48", "1", "-c:v", "png");
        content = content.Replace("{other}", other, StringComparison.Ordinal).Replace("{name}", "other.ts",
            StringComparison.Ordinal).Replace("{port}", $"{elsewhere.Port}", StringComparison.Ordinal);
        await File.WriteAllTextAsync(_clips.Path(name), content);

        await using var rig = new SourceRig();
        var frames = await rig.ReadAsync(new SourceOptions { File = _clips.Path(name) });
        Assert.Empty(frames);
        Assert.Equal(CameraState.Offline, rig.Last.State);
        Assert.Equal(SourceFault.Config, rig.Last.Reason);
        Assert.StartsWith("Format not on whitelist: playlists, scripts and the like are not read", rig.Last.Detail,
            StringComparison.Ordinal);
        Assert.Equal(0, elsewhere.Connections);
    }

    [Theory(Timeout = 120_000)]
    [InlineData("-i.avi")]
    [InlineData("-f lavfi -i testsrc.avi")]
    [InlineData("file:other.avi")]
    [InlineData("concat:a|b.avi")]
    [InlineData("pipe:0.avi")]
    [InlineData("a%03d.avi")]
    [InlineData("$(touch pwned);`touch pwned`|&.avi")]
    [InlineData("a 'b' \"c\"\\.avi")]
    [InlineData("*?{1,2}[x].avi")]
    public async Task ReadAsync_FileOfAnOddName_IsThatFile(string name)
    {
        File.Move(await _clips.MakeAsync("plain.avi"), _clips.Path(name));
        await using var rig = new SourceRig();
        Assert.Equal(20, (await rig.ReadAsync(new SourceOptions { File = _clips.Path(name) })).Count);
        Assert.False(File.Exists(_clips.Path("pwned")));
    }

    [Theory]
    [InlineData("file:///etc/passwd")]
    [InlineData("/etc/passwd")]
    [InlineData("concat:/etc/passwd")]
    [InlineData("subfile,,start,0,end,9,,:/etc/passwd")]
    [InlineData("data:text/plain,x")]
    [InlineData("ftp://127.0.0.1/x")]
    [InlineData("pipe:0")]
    [InlineData("-i")]
    [InlineData("rtsp:///etc/passwd")]
    [InlineData("rtsp://-host/x")]
    [InlineData("rtsp://host/x -f lavfi")]
    public void Validate_UrlThatIsNoCamera_IsRefused(string url) =>
        Assert.NotEmpty(new SourceOptions { Url = url }.Validate(new(new object())));

    [Theory(Timeout = 120_000)]
    [InlineData("file://{file}")]
    [InlineData("concat:{file}")]
    [InlineData("http://127.0.0.1:{port}/x")]
    [InlineData("rtsp://$(touch {folder}/pwned)/x")]
    public async Task ReadAsync_CameraThatRedirects_ReachesNeitherFilesNorTheWeb(string target)
    {
        using var elsewhere = new Listener();
        var file = await _clips.MakeAsync("other.avi");
        target = target.Replace("{file}", file, StringComparison.Ordinal)
            .Replace("{folder}", Path.GetDirectoryName(file), StringComparison.Ordinal)
            .Replace("{port}", $"{elsewhere.Port}", StringComparison.Ordinal);
        using var camera = new Listener($"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: {target}\r\n\r\n");

        await using var rig = new SourceRig();
        await rig.FaultAsync(new SourceOptions
        {
            Url = $"rtsp://127.0.0.1:{camera.Port}/x",
            Rtsp = { ConnectTimeout = TimeSpan.FromSeconds(2) }
        });
        Assert.InRange(camera.Connections, 1, int.MaxValue);
        Assert.DoesNotContain("GET ", elsewhere.Heard, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Path.GetDirectoryName(file)!, "pwned")));
    }

    public void Dispose() => _clips.Dispose();

    /// <summary>Server that counts connections, keeps their requests, and always gives the same answer.</summary>
    private sealed class Listener : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly StringBuilder _heard = new();
        private readonly string _answer;
        private int _connections;

        public Listener(string answer = "")
        {
            _answer = answer;
            _listener.Start();
            _ = ServeAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public int Connections => Volatile.Read(ref _connections);

        public string Heard
        {
            get { lock (_heard) return _heard.ToString(); }
        }

        public void Dispose() => _listener.Dispose();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    Interlocked.Increment(ref _connections);
                    var buffer = new byte[4096];
                    var read = await client.GetStream().ReadAsync(buffer);
                    lock (_heard) _heard.Append(Encoding.Latin1.GetString(buffer, 0, read));
                    if (_answer.Length > 0) await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(_answer));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
            {
                // The end of the test, or the decoder closed the connection.
            }
        }
    }
}
