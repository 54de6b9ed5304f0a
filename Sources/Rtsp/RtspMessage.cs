using System.Text;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>Kind of a unit of an RTSP connection.</summary>
internal enum RtspUnit
{
    /// <summary>Not complete yet.</summary>
    Incomplete,

    /// <summary>A request or a response.</summary>
    Message,

    /// <summary>An RTP or RTCP packet (<c>$</c>, channel, length, content), or empty lines between messages.</summary>
    Data,

    /// <summary>Bytes that are neither.</summary>
    Noise,
}

/// <summary>
/// RTSP request or response (RFC 2326, sections 6, 7 and 10.12). Lines stay as they came, except that folded ones are
/// joined. Lines may end with LF alone.
/// </summary>
internal sealed class RtspMessage
{
    /// <summary>Largest message or packet in bytes.</summary>
    public const int LongestUnit = 4 + ushort.MaxValue;

    private readonly List<string> _lines;
    private readonly byte[] _body;

    private RtspMessage(List<string> lines, byte[] body) => (_lines, _body) = (lines, body);

    /// <summary>Method, URI and version, or version, code and reason.</summary>
    public string FirstLine
    {
        get => _lines[0];
        set => _lines[0] = value;
    }

    public bool IsResponse => FirstLine.StartsWith("RTSP/", StringComparison.Ordinal);

    /// <summary>Code of a response; 0 when it has none.</summary>
    public int Status => FirstLine.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var code, ..]
        && int.TryParse(code, out var status) ? status : 0;

    /// <summary>Kind and length of the first unit; 0: the length is not known yet.</summary>
    /// <exception cref="FormatException">Longer than <see cref="LongestUnit"/>.</exception>
    public static (RtspUnit Unit, int Length) Next(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return (RtspUnit.Incomplete, 0);
        if (bytes[0] == '$')
        {
            if (bytes.Length < 4) return (RtspUnit.Incomplete, 0);
            var packet = 4 + ((bytes[2] << 8) | bytes[3]);
            return (packet <= bytes.Length ? RtspUnit.Data : RtspUnit.Incomplete, packet);
        }

        var empty = bytes.IndexOfAnyExcept((byte)'\r', (byte)'\n');
        if (empty != 0) return (RtspUnit.Data, empty < 0 ? bytes.Length : empty);
        var head = HeadLength(bytes[..Math.Min(bytes.Length, LongestUnit)]);
        if (head > 0)
        {
            var length = head + BodyLength(Lines(bytes[..head]), LongestUnit - head);
            return (length <= bytes.Length ? RtspUnit.Message : RtspUnit.Incomplete, length);
        }

        return bytes.Length < LongestUnit
            ? (RtspUnit.Incomplete, 0)
            : throw new FormatException("a message has no end");
    }

    /// <param name="bytes">One message, as <see cref="Next"/> found it.</param>
    public static RtspMessage Parse(ReadOnlySpan<byte> bytes)
    {
        var head = HeadLength(bytes);
        return new(Lines(bytes[..head]), bytes[head..].ToArray());
    }

    /// <summary>Values of all headers of this name, in order.</summary>
    public IEnumerable<string> Values(string name) => _lines.Skip(1).Where(line => Is(line, name)).Select(Value);

    /// <summary>Value of the first header of this name; null when there is none.</summary>
    public string? this[string name] => Values(name).FirstOrDefault();

    /// <summary>Replaces the headers of this name, or adds one.</summary>
    public void Set(string name, string value)
    {
        var at = _lines.FindIndex(1, line => Is(line, name));
        Remove(name);
        _lines.Insert(at < 0 ? _lines.Count : at, $"{name}: {value}");
    }

    /// <summary>Removes all headers of this name.</summary>
    public void Remove(string name) => _lines.RemoveAll(line => Is(line, name));

    public byte[] ToBytes() => [.. Encoding.Latin1.GetBytes(string.Join("\r\n", _lines)), .. "\r\n\r\n"u8, .. _body];

    // Bytes to the end of the first empty line; 0: not there yet.
    private static int HeadLength(ReadOnlySpan<byte> bytes)
    {
        for (var at = 0; bytes[at..].IndexOf((byte)'\n') is >= 0 and var length; at += length + 1)
            if (bytes.Slice(at, length).TrimEnd((byte)'\r').IsEmpty) return at + length + 1;
        return 0;
    }

    private static List<string> Lines(ReadOnlySpan<byte> head)
    {
        var lines = new List<string>();
        var text = Encoding.Latin1.GetString(head).Replace("\r", "", StringComparison.Ordinal);
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (lines.Count > 1 && line[0] is ' ' or '\t') lines[^1] += " " + line.Trim();
            else lines.Add(line);
        }

        return lines;
    }

    // What is not a number counts as 0, as it does for decoders.
    private static int BodyLength(List<string> lines, int most)
    {
        var value = lines.Find(line => Is(line, "Content-Length")) is { } line ? Value(line) : "";
        var digits = string.Concat(value.TakeWhile(char.IsAsciiDigit));
        if (digits.Length == 0) return 0;
        return int.TryParse(digits, out var length) && length <= most
            ? length
            : throw new FormatException("a message is too long");
    }

    private static bool Is(string line, string name)
        => line.Length > name.Length && line[name.Length] == ':'
            && line.StartsWith(name, StringComparison.OrdinalIgnoreCase);

    private static string Value(string line) => line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
}
