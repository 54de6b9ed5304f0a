using System.Globalization;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Log of one ffmpeg with <c>-v level+verbose</c>: the codec, the sizes of decoded frames, the number of decode errors,
/// and the last other messages, which have the reason of its end. Memory is bounded and everything kept is redacted.
/// Thread-safe.
/// </summary>
internal sealed partial class FfmpegLog(Redactor redactor) : IDecoderFacts
{
    private const int KeptMessages = 6;

    // More than the frames that fit between the decoder and its reader: a pipe of 64 KiB and a buffer of 32 KiB, with
    // frames of ten bytes. Those are the sizes that the log can be ahead.
    private const int KeptSizes = 16_384;

    // Contexts whose errors concern the connection or the output pipe and not the video.
    private static readonly HashSet<string> s_connection =
    [
        "rtsp", "rtp", "tcp", "udp", "http", "https", "tls", "rtmp", "srt", "concat", "nut", "AVIOContext", "in", "out",
    ];

    // In this order: the first that matches any message decides. TLS of RTSP is the relay's.
    private static readonly (SourceFault Fault, string[] Texts)[] s_rules =
    [
        (SourceFault.AuthFailed, ["401 Unauthorized", "403 Forbidden", "authorization failed"]),
        (SourceFault.NotFound, ["404 Not Found", "No such file or directory", "Failed to resolve hostname",
            "Name or service not known", "NetStream.Play.StreamNotFound"]),
        (SourceFault.Tls, ["verify peer certificate", "Peer certificate failed verification",
            "does not match hostname", "certificate verify failed"]),
        (SourceFault.Refused, ["Connection to srt://", "Connection refused",
            "No route to host", "Network is unreachable",
            "503 Service Unavailable", "5XX Server Error"]),
        (SourceFault.Timeout, ["timed out"]),
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

    public string? Codec { get { lock (_gate) return _codec; } }

    public double? NominalFps { get { lock (_gate) return _fps; } }

    public long DecodeErrors { get { lock (_gate) return _decodeErrors; } }

    /// <summary>The last messages other than decode errors, redacted, oldest first.</summary>
    public string Tail { get { lock (_gate) return string.Join("; ", _messages); } }

    public void Add(string line)
    {
        lock (_gate)
        {
            if (Repeated().Match(line) is { Success: true } repeated)
            {
                if (_lastWasDecodeError) _decodeErrors += Number(repeated);
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

    /// <summary>First size of the decoded frames, before any rotation; null until known.</summary>
    public (int Width, int Height)? FirstSize { get { lock (_gate) return _firstSize; } }

    /// <summary>Next announced size that has not been taken, before any rotation; null while there is none.</summary>
    public (int Width, int Height)? NextSize { get { lock (_gate) return _sizes.TryPeek(out var next) ? next : null; } }

    /// <summary>
    /// Takes the next size with this number of bytes in RGB24, and those before it: sizes are announced in the order of
    /// their frames, and the log may be many frames ahead. Null, and none is taken, while there is no such size.
    /// </summary>
    public (int Width, int Height)? TakeSize(long bytes)
    {
        lock (_gate)
        {
            if (!_sizes.Any(IsIt)) return null;
            while (true)
                if (_sizes.Dequeue() is var size && IsIt(size)) return size;
        }

        bool IsIt((int Width, int Height) size) => (long)size.Width * size.Height * 3 == bytes;
    }

    /// <summary>Reason of ffmpeg's end by its messages; <paramref name="otherwise"/> when they have none.</summary>
    public SourceFault Classify(SourceFault otherwise)
    {
        var tail = Tail;
        return s_rules.Where(rule => rule.Texts.Any(text => tail.Contains(text, StringComparison.Ordinal)))
            .Select(rule => rule.Fault).FirstOrDefault(otherwise);
    }

    /// <summary>Fault of a run that failed.</summary>
    /// <param name="frames">Decoded frames.</param>
    /// <param name="otherwise">Detail when the messages have none.</param>
    public SourceException Judge(long frames, string otherwise)
    {
        long errors;
        string? broken;
        lock (_gate) (errors, broken) = (_decodeErrors, _lastDecodeError);
        var tail = Tail;
        if (frames == 0)
        {
            var messages = string.Join("; ", new[] { broken, tail }.Where(m => m is { Length: > 0 }));
            var detail = messages.Length > 0 ? messages : otherwise;
            return new SourceException(Classify(SourceFault.DecodeErrors), detail);
        }

        return errors > 0
            ? new SourceException(SourceFault.DecodeErrors,
                $"{errors} decode errors, {frames} frames decoded; the last: {broken}")
            : new SourceException(Classify(SourceFault.Eof), tail.Length > 0 ? tail : otherwise);
    }

    // The filter graph is set up again whenever the decoded size changes, before the first frame of that size.
    private void TakeSize(string context, string text)
    {
        if (!context.StartsWith("graph ", StringComparison.Ordinal)
            || GraphInput().Match(text) is not { Success: true } size) return;
        if (_sizes.Count == KeptSizes) _sizes.Dequeue();
        var announced = ((int)Number(size.Groups["w"]), (int)Number(size.Groups["h"]));
        _firstSize ??= announced;
        _sizes.Enqueue(announced);
    }

    private void TakeStream(string text)
    {
        if (_codec is not null || text.EndsWith("(attached pic)", StringComparison.Ordinal)
            || VideoStream().Match(text) is not { Success: true } stream) return;
        if (stream.Groups["fps"].Success)
            _fps = double.Parse(stream.Groups["fps"].ValueSpan, CultureInfo.InvariantCulture);
        _codec = stream.Groups["codec"].Value;
    }

    private void TakeError(string context, string text)
    {
        // The list of FfmpegCommand; it does not concern the video, and is too long to repeat.
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
            _decodeErrors++;
            return;
        }

        if (_messages.Count == KeptMessages) _messages.Dequeue();
        _messages.Enqueue(text);
    }

    private static long Number(Capture digits) => long.Parse(digits.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?:\[(?<context>[^\]@]*?) @ 0x[0-9a-f]+\] )?\[(?<level>[a-z]+)\] (?<text>.*)$")]
    private static partial Regex Line();

    [GeneratedRegex(@"(?<=^\s*Last message repeated )\d{1,9}")]
    private static partial Regex Repeated();

    [GeneratedRegex(@"^w:(?<w>\d{1,5}) h:(?<h>\d{1,5}) ")]
    private static partial Regex GraphInput();

    [GeneratedRegex(@"^\s*Stream #\d+:\d+.*?: Video: (?<codec>\w+)(?:.*? (?<fps>\d{1,4}(?:\.\d{1,3})?) fps)?")]
    private static partial Regex VideoStream();
}
