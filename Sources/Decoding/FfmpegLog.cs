using System.Globalization;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Reads what ffmpeg writes with <c>-v level+verbose</c>: the codec, every picture size it decodes, the number of
/// decode errors, and the last few other messages, which say why it ended. Written by the process's thread, read by the
/// source's; memory is bounded and everything kept is redacted.
/// </summary>
internal sealed partial class FfmpegLog(Redactor redactor) : IDecoderFacts
{
    private const int KeptMessages = 6;
    private const int KeptSizes = 8;

    // Contexts whose errors are about the connection or the output pipe and not about the video.
    private static readonly HashSet<string> s_connection =
        ["rtsp", "rtp", "tcp", "udp", "tls", "http", "nut", "AVIOContext", "in", "out"];

    // In this order: the first that matches any message decides.
    private static readonly (SourceFault Fault, string[] Texts)[] s_rules =
    [
        (SourceFault.AuthFailed, ["401 Unauthorized", "403 Forbidden", "authorization failed"]),
        (SourceFault.NotFound, ["404 Not Found", "No such file or directory", "Failed to resolve hostname",
            "Name or service not known"]),
        (SourceFault.Refused, ["Connection refused", "No route to host", "Network is unreachable",
            "503 Service Unavailable"]),
        (SourceFault.Timeout, ["timed out"]),
        (SourceFault.Tls, ["certificate", "handshake", "TLS", "SSL"]),
        (SourceFault.CodecUnsupported, ["matches no streams", "does not contain any stream",
            "Could not find codec parameters", "Decoder (codec", "Decoder not found", "Unsupported codec",
                "No decoder"]),
        (SourceFault.Config, ["Permission denied", "Is a directory", "461 Unsupported", "not on whitelist",
            "Protocol not found", "Option not found", "Unrecognized option"]),
        (SourceFault.DecodeErrors, ["Invalid data found", "moov atom not found"]),
    ];

    private readonly Lock _gate = new();
    private readonly Queue<string> _messages = new();
    private readonly Queue<(int Width, int Height)> _sizes = new();
    private (int Width, int Height)? _firstSize;
    private string? _codec, _lastDecodeError;
    private double? _fps;
    private long _decodeErrors;
    private bool _lastWasDecodeError;

    /// <summary>Codec of the video stream, for example <c>h264</c>; null until known.</summary>
    public string? Codec => Volatile.Read(ref _codec);

    /// <summary>Frames a second the stream claims to have; null when it does not say.</summary>
    public double? NominalFps { get { lock (_gate) return _fps; } }

    /// <summary>Errors that demuxer and decoder reported so far.</summary>
    public long DecodeErrors => Interlocked.Read(ref _decodeErrors);

    /// <summary>The last messages that are not about broken pictures, redacted, oldest first.</summary>
    public string Tail { get { lock (_gate) return string.Join("; ", _messages); } }

    /// <summary>The last complaint of demuxer or decoder, redacted; null when there was none.</summary>
    public string? LastDecodeError { get { lock (_gate) return _lastDecodeError; } }

    public void Add(string line)
    {
        lock (_gate)
        {
            if (Repeated().Match(line) is { Success: true } repeated)
            {
                if (_lastWasDecodeError)
                    Interlocked.Add(ref _decodeErrors, long.Parse(repeated.ValueSpan, CultureInfo.InvariantCulture));
                return;
            }

            var match = Line().Match(line);
            if (!match.Success) return;
            var context = match.Groups["context"].Value;
            var text = match.Groups["text"].Value;
            _lastWasDecodeError = false;
            switch (match.Groups["level"].Value)
            {
                case "verbose": TakeSize(context, text); break;
                case "info": TakeStream(text); break;
                case "error" or "fatal" or "panic": TakeError(context, text); break;
            }
        }
    }

    /// <summary>Size of the decoded pictures at first, before any rotation; null until known.</summary>
    public (int Width, int Height)? FirstSize { get { lock (_gate) return _firstSize; } }

    /// <summary>The newest size of so many bytes in RGB24 that the decoder announced, before any rotation.</summary>
    public (int Width, int Height)? FindSize(int bytes)
    {
        lock (_gate)
        {
            foreach (var size in _sizes.Reverse())
                if ((long)size.Width * size.Height * 3 == bytes) return size;
            return null;
        }
    }

    /// <summary>Why ffmpeg ended, judged by its messages;
    /// <paramref name="otherwise"/> when they give no reason.</summary>
    public SourceFault Classify(SourceFault otherwise)
    {
        var tail = Tail;
        return s_rules.Where(rule => rule.Texts.Any(text => tail.Contains(text, StringComparison.Ordinal)))
            .Select(rule => rule.Fault).FirstOrDefault(otherwise);
    }

    /// <summary>The fault of a run that did not end well.</summary>
    /// <param name="frames">Frames that it decoded.</param>
    /// <param name="otherwise">Detail when the messages give none.</param>
    public SourceException Judge(long frames, string otherwise)
    {
        var (errors, tail, broken) = (DecodeErrors, Tail, LastDecodeError);
        if (frames == 0)
        {
            var messages = string.Join("; ", new[] { broken, tail }.Where(m => m is { Length: > 0 }));
            var detail = messages.Length > 0 ? messages : otherwise;
            return new SourceException(Classify(SourceFault.DecodeErrors), detail);
        }

        return errors > 0
            ? new SourceException(SourceFault.DecodeErrors,
                $"{errors} decode errors, {frames} pictures decoded; the last: {broken}")
            : new SourceException(Classify(SourceFault.Eof), tail.Length > 0 ? tail : otherwise);
    }

    // The filter graph is set up anew whenever the decoded size changes,
    // before the first picture of that size comes out.
    private void TakeSize(string context, string text)
    {
        if (!context.StartsWith("graph ", StringComparison.Ordinal)
            || GraphInput().Match(text) is not { Success: true } size) return;
        if (_sizes.Count == KeptSizes) _sizes.Dequeue();
        var announced = (Number(size.Groups["w"]), Number(size.Groups["h"]));
        _firstSize ??= announced;
        _sizes.Enqueue(announced);
    }

    private void TakeStream(string text)
    {
        if (_codec is not null || VideoStream().Match(text) is not { Success: true } stream) return;
        if (stream.Groups["fps"].Success)
            _fps = double.Parse(stream.Groups["fps"].ValueSpan, CultureInfo.InvariantCulture);
        Volatile.Write(ref _codec, stream.Groups["codec"].Value);
    }

    private void TakeError(string context, string text)
    {
        // FfmpegCommand's list; not about the video, and too long to repeat.
        if (text.StartsWith("Format not on whitelist", StringComparison.Ordinal))
            (context, text) = ("", "Format not on whitelist: playlists, scripts and the like are not read");
        var aboutVideo = context.Length > 0
            ? !s_connection.Contains(context.Split('#')[0])
            : text.StartsWith("Error while decoding", StringComparison.Ordinal);
        text = redactor.Clean(text.Length > 300 ? text[..300] : text);
        if (aboutVideo)
        {
            _lastWasDecodeError = true;
            _lastDecodeError = text;
            Interlocked.Increment(ref _decodeErrors);
            return;
        }

        if (_messages.Count == KeptMessages) _messages.Dequeue();
        _messages.Enqueue(text);
    }

    private static int Number(Group group) => int.Parse(group.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?:\[(?<context>[^\]@]*?) @ 0x[0-9a-f]+\] )?\[(?<level>[a-z]+)\] (?<text>.*)$")]
    private static partial Regex Line();

    [GeneratedRegex(@"(?<=^\s*Last message repeated )\d{1,9}")]
    private static partial Regex Repeated();

    [GeneratedRegex(@"^w:(?<w>\d{1,5}) h:(?<h>\d{1,5}) ")]
    private static partial Regex GraphInput();

    [GeneratedRegex(@"^\s*Stream #\d+:\d+.*?: Video: (?<codec>\w+)(?:.*? (?<fps>\d{1,4}(?:\.\d{1,3})?) fps)?")]
    private static partial Regex VideoStream();
}
