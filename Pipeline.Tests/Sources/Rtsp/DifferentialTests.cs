using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>
/// Odd cameras, each played by ffmpeg directly and through the relay. We play all of them, and where ffmpeg plays too,
/// the camera was asked for the same addresses.
/// </summary>
public sealed class DifferentialTests
{
    private const int Frames = 3;
    private const string Password = "differs-4711"; // stands in the command line of the direct decoder
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);

    private static readonly Dictionary<string, Quirk> s_quirks = new()
    {
        ["none"] = new(_ => { }),

        // addresses
        ["no Content-Base"] = new(Without("Content-Base")),
        ["last slash without Content-Base"] = new(Without("Content-Base")) { Path = "/cam/", Track = "/cam/track1" },
        ["last slash"] = new(_ => { }) { Path = "/cam/", Track = "/cam/track1" },
        ["query without Content-Base"] = new(Without("Content-Base")) { Path = "/cam?channel=1" },
        ["last slash and query"] = new(Without("Content-Base")) { Path = "/cam/?channel=1" },
        ["Content-Base without last slash"] = new(c => Set(c, "Content-Base", _ => $"{c.Url}/live"))
        {
            Track = "/cam/live/track1",
        },
        ["Content-Base of another path"] = new(c => Set(c, "Content-Base", _ => $"rtsp://127.0.0.1:{c.Port}/a/b/"))
        {
            Track = "/a/b/track1",
        },
        ["absolute control"] = new(c => Sdp(c, "a=control:track1", $"a=control:{c.Url}/x?trackID=1"))
        {
            Track = "/cam/x?trackID=1",
        },
        ["control of the session is a star"] = new(c => Sdp(c, "t=0 0", "t=0 0\r\na=control:*")),
        ["control of the session is absolute"] =
            new(c => Sdp(c, "t=0 0", $"t=0 0\r\na=control:rtsp://127.0.0.1:{c.Port}/session/")),
        ["no control"] = new(c => Sdp(c, "a=control:track1\r\n", "")),
        ["control with a query"] = new(c => Sdp(c, "a=control:track1", "a=control:trackID=1?x=2")),

        // text
        ["lines end with LF"] = new(c => c.Rewrite = (_, text) =>
        {
            var at = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
            return text[..at].Replace("\r\n", "\n", StringComparison.Ordinal) + text[at..];
        }),
        ["session description with LF"] = new(c => c.Rewrite = (_, text) =>
        {
            var at = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
            var body = text[at..].Replace("\r\n", "\n", StringComparison.Ordinal);
            return Regex.Replace(text[..at], "Content-Length: [0-9]+", $"Content-Length: {body.Length}") + body;
        }),
        ["headers in odd case"] = new(c => c.Rewrite = (_, text) => Regex.Replace(
            text, "^[A-Za-z-]+(?=: )", name => name.Value.Length % 2 == 0 ? name.Value.ToUpperInvariant()
                : name.Value.ToLowerInvariant(), RegexOptions.Multiline)),
        ["no space after the colons"] = new(c => c.Rewrite = (_, text) =>
            Regex.Replace(text, "^([A-Za-z-]+): +", "$1:", RegexOptions.Multiline)),
        ["folded headers"] = new(c => c.Rewrite = (_, text) =>
            text.Replace(";interleaved", ";\r\n\tinterleaved", StringComparison.Ordinal)),
        ["no CSeq"] = new(Without("CSeq")),
        ["CSeq always 1"] = new(c => Set(c, "CSeq", _ => "1")),
        ["no reason"] = new(c => c.Rewrite = (_, text) => text.Replace(" 200 OK", " 200", StringComparison.Ordinal)),
        ["two spaces in the first line"] = new(c => c.Rewrite = (_, text) =>
            text.Replace(" 200 OK", "  200  OK", StringComparison.Ordinal)),
        ["length below 0"] = new(c => c.Rewrite = (method, text) => method == "DESCRIBE" ? text
            : text.Replace("Content-Length: 0", "Content-Length: -1", StringComparison.Ordinal)),
        ["no length"] = new(c => c.Rewrite = (method, text) => method == "DESCRIBE" ? text
            : text.Replace("Content-Length: 0\r\n", "", StringComparison.Ordinal)),
        ["late and in pieces"] = new(c => c.PieceLength = 60),
        ["spaces in Transport"] = new(c => Set(c, "Transport", value =>
            value.Replace(";", " ; ", StringComparison.Ordinal))),
        ["Transport in odd case"] = new(c => Set(c, "Transport", value =>
            value.Replace("interleaved", "Interleaved", StringComparison.Ordinal))),
        ["no channels in Transport"] = new(c => Set(c, "Transport", _ => "RTP/AVP/TCP;unicast")),
        ["other channels"] = new(c => c.Channel = 6),
        ["ports in Session"] = new(c => Set(c, "Session", _ => "1;port=5000-5001;timeout=60")),
        ["spaces in Session"] = new(c => Set(c, "Session", _ => "  1 ; timeout = 60")),

        // redirection
        ["redirects"] = new(_ => { }) { Redirects = "OPTIONS" },
        ["redirects DESCRIBE"] = new(_ => { }) { Redirects = "DESCRIBE" },
        ["redirects SETUP"] = new(_ => { }) { Redirects = "SETUP" },
        ["redirects with a login"] = new(_ => { }) { Redirects = "OPTIONS", Login = new() },

        // login
        ["Digest"] = new(_ => { }) { Login = new() },
        ["Digest in small letters"] = new(_ => { }) { Login = new("digest realm=\"r\", nonce=\"{0}\"") },
        ["Digest with qop"] = new(_ => { }) { Login = new("Digest realm=\"r\", nonce=\"{0}\", qop=\"auth\"") },
        ["Digest with an empty qop"] = new(_ => { }) { Login = new("Digest realm=\"r\", nonce=\"{0}\", qop=\"\"") },
        ["Digest only at SETUP"] = new(_ => { }) { Login = new() { Methods = ["SETUP"] } },
        ["Digest only at PLAY"] = new(_ => { }) { Login = new() { Methods = ["PLAY"] } },
        ["stale nonce"] = new(_ => { })
        {
            Login = new("Digest realm=\"r\", nonce=\"{0}\", stale=true") { NewNonces = true },
        },
        ["Basic and Digest in one header"] = new(_ => { })
        {
            Login = new("Basic realm=\"r\", Digest realm=\"r\", nonce=\"{0}\""),
        },
        ["Digest and Basic in one header"] = new(_ => { })
        {
            Login = new("Digest realm=\"r\", nonce=\"{0}\", algorithm=MD5, Basic realm=\"r\""),
        },
        ["commas in the realm"] = new(_ => { })
        {
            Login = new("Digest realm=\"a, Basic realm=b, c\", nonce=\"{0}\""),
        },
        ["Basic in a header before"] = new(_ => { })
        {
            Login = new("Basic realm=\"r\"\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"{0}\""),
        },

        // while it plays
        ["noise with a line feed"] = new(_ => { }) { Noise = "\0\u0001\u00ff\n" },
        ["noise without a line feed"] = new(_ => { }) { Noise = "\u0002\u0003\u0004" },
        ["noise that looks like packets"] = new(_ => { }) { Noise = "\0$\u0007\u0001\u0002\0$\0\u00ff\u00ff\u0003" },
        ["text between packets"] = new(_ => { }) { Noise = "camera is busy\r\n" },
        ["empty lines"] = new(_ => { }) { Noise = "\r\n\r\n" },
        ["answers that nobody waits for"] = new(_ => { }) { Noise = "RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n" },
        ["requests of the camera"] = new(_ => { })
        {
            Noise = "OPTIONS rtsp://127.0.0.1/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        },
        ["packets of other channels"] = new(_ => { }) { Noise = "$\u0009\0\u000c\u0080aaaaaaaaaaa" },
    };

    public static TheoryData<string> Names => [.. s_quirks.Keys];

    [Theory(Timeout = 120_000)]
    [MemberData(nameof(Names))]
    public async Task ReadAsync_OddCamera_IsPlayedAsTheDecoderWould(string name)
    {
        var quirk = s_quirks[name];
        var direct = await PlayAsync(quirk, DirectAsync);
        var ours = await PlayAsync(quirk, RelayedAsync);

        Assert.Equal(Frames, ours.Frames);
        if (direct.Frames == Frames) Assert.Equal(direct.Requests, ours.Requests);
        Assert.DoesNotContain(ours.Logins, login => login.StartsWith("Basic", StringComparison.OrdinalIgnoreCase));
    }

    private static async Task<Played> PlayAsync(Quirk quirk, Func<string, Task<int>> play)
    {
        var logins = new List<string>();
        await using var camera = await StartAsync(quirk, logins);
        await using var front = quirk.Redirects is null ? null : await StartAsync(quirk, logins);
        if (front is not null)
        {
            var method = quirk.Redirects!;
            var allowed = front.Guard;
            front.Guard = request => allowed(request) ?? (request.FirstLine.StartsWith(method, StringComparison.Ordinal)
                ? $"RTSP/1.0 302 Found\r\nLocation: {camera.Url}\r\n" : null);
        }

        var login = quirk.Login is null ? "" : $"user:{Password}@";
        var url = (front ?? camera).Url;
        var frames = await play(url.Replace("rtsp://", "rtsp://" + login, StringComparison.Ordinal));
        string[] requests = [.. front?.Requests ?? [], .. camera.Requests];
        // Ports differ, and a request may be repeated with a login.
        var asked = requests.Where(r => !r.StartsWith("TEARDOWN", StringComparison.Ordinal))
            .Select(r => Regex.Replace(r, "(?<=127.0.0.1):[0-9]+", "")).ToList();
        return new(frames, [.. asked.Where((r, i) => i == 0 || r != asked[i - 1])], logins);
    }

    private static async Task<ScriptedCamera> StartAsync(Quirk quirk, List<string> logins)
    {
        var camera = new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
        {
            for (var timestamp = 90_000; ; timestamp += 3600)
            {
                await viewer.SendAsync(timestamp);
                if (quirk.Noise is { } noise) await viewer.SendRawAsync(Encoding.Latin1.GetBytes(noise));
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, viewer.Stop);
            }
        })
        { Path = quirk.Path };
        camera.Guard = request =>
        {
            if (request["Authorization"] is { } answer) logins.Add(answer);
            var (method, uri) = (request.FirstLine.Split(' ')[0], request.FirstLine.Split(' ')[1]);
            if (quirk.Login?.Refuse(method, request["Authorization"]) is { } refusal) return refusal;
            var isWrong = method == "SETUP" && quirk.Track is { } track && new Uri(uri).PathAndQuery != track;
            return isWrong ? "RTSP/1.0 404 Not Found\r\n" : null;
        };
        quirk.Apply(camera);
        return camera;
    }

    private static async Task<int> DirectAsync(string url)
    {
        using var pool = new FramePool();
        using var stop = new CancellationTokenSource(s_timeout);
        await using var session = await FfmpegSession.StartAsync(
            "ffmpeg", FfmpegCommand.ForRtsp(url, RtspTransport.Tcp, s_timeout), new Redactor(), "direct", pool,
            TimeProvider.System);
        while (session.Frames < Frames && await session.ReadAsync(stop.Token) is { } frame) frame.Frame.Dispose();
        return (int)session.Frames;
    }

    private static async Task<int> RelayedAsync(string url)
    {
        await using var rig = new SourceRig();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60)); // it would retry for ever
        var source = rig.Create(new SourceOptions { Url = url, Queue = { Policy = QueuePolicy.Wait } });
        return (await SourceRig.ReadAsync(source, most: Frames, stop: stop.Token)).Count;
    }

    private static Action<ScriptedCamera> Without(string header)
        => camera => camera.Rewrite = (_, text) => Regex.Replace(text, $"(?m)^{header}: [^\r]*\r\n", "");

    private static void Set(ScriptedCamera camera, string header, Func<string, string> value)
        => camera.Rewrite = (_, text) => Regex.Replace(text, $"(?m)(?<=^{header}: )[^\r]*", m => value(m.Value));

    private static void Sdp(ScriptedCamera camera, string old, string replacement)
        => camera.Rewrite = (method, text) => method != "DESCRIBE" ? text
            : Regex.Replace(text.Replace(old, replacement, StringComparison.Ordinal), "(?<=Content-Length: )[0-9]+",
                m => (int.Parse(m.Value, CultureInfo.InvariantCulture) + replacement.Length - old.Length)
                    .ToString(CultureInfo.InvariantCulture));

    private sealed record Played(int Frames, List<string> Requests, List<string> Logins);

    private sealed record Quirk(Action<ScriptedCamera> Apply)
    {
        public string Path { get; init; } = "/cam";

        /// <summary>The only address at which SETUP finds the track; null: any.</summary>
        public string? Track { get; init; }

        public Login? Login { get; init; }

        /// <summary>Method at which a camera in front redirects to this one.</summary>
        public string? Redirects { get; init; }

        /// <summary>Sent after every frame.</summary>
        public string? Noise { get; init; }
    }

    /// <summary>Login that takes nothing but a right Digest.</summary>
    private sealed record Login(string Challenge = "Digest realm=\"r\", nonce=\"{0}\"")
    {
        private int _nonce;

        public string[] Methods { get; init; } = ["DESCRIBE", "SETUP", "PLAY"];

        /// <summary>Each nonce is good for one request.</summary>
        public bool NewNonces { get; init; }

        public string? Refuse(string method, string? answer)
        {
            if (!Methods.Contains(method)) return null;
            var nonce = $"nonce{_nonce}";
            if (answer is not null && IsRight(method, nonce, answer))
            {
                if (NewNonces) _nonce++;
                return null;
            }

            var challenge = string.Format(CultureInfo.InvariantCulture, Challenge, nonce);
            return $"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n";
        }

        // RFC 2617, 3.2.2.1, written independently of the program.
        [SuppressMessage("Security", "CA5351", Justification = "What such cameras check.")]
        private static bool IsRight(string method, string nonce, string answer)
        {
            string Of(string name) => Regex.Match(answer, $"[ ,]{name}=\"?([^\"]*?)(?:\"|,|$)").Groups[1].Value;
            static string Md5(string text) => Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(text)));
            var realm = Regex.Match(answer, "realm=\"([^\"]*)\"").Groups[1].Value;
            var (secret, request) = (Md5($"user:{realm}:{Password}"), Md5($"{method}:{Of("uri")}"));
            var middle = Of("qop") == "auth" ? $"{Of("nc")}:{Of("cnonce")}:auth:" : "";
            return answer.StartsWith("Digest ", StringComparison.Ordinal) && Of("nonce") == nonce
                && Of("response") == Md5($"{secret}:{nonce}:{middle}{request}");
        }
    }
}
