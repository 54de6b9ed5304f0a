using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Options;

/// <summary>Address of a live stream that is not RTSP.</summary>
/// <param name="Scheme"><c>http</c>, <c>https</c>, <c>rtmp</c> or <c>srt</c>.</param>
/// <param name="Url">Complete, with its login.</param>
internal sealed record StreamAddress(string Scheme, string Url)
{
    public const string Expected =
        "must be a rtsp://, rtsps://, http://, https://, rtmp:// or srt:// URL with a host";

    /// <summary>Protocols that ffmpeg may open for it: the scheme, and what carries it.</summary>
    public string Protocols => Scheme switch
    {
        "http" => "http,https,tls,tcp", // redirections to TLS are followed, those from TLS are not
        "https" => "https,tls,tcp",
        "rtmp" => "rtmp,tcp",
        _ => "srt",
    };

    /// <summary>Encoded; the password is null when there is none.</summary>
    public (string User, string? Password) Login
    {
        get
        {
            var parts = new Uri(Url).UserInfo.Split(':', 2);
            return (parts[0], parts.ElementAtOrDefault(1));
        }
    }

    /// <summary>Containers that may be in it.</summary>
    public string Formats => Scheme switch
    {
        "rtmp" => "flv",
        "srt" => "mpegts",
        _ => "mpjpeg,mjpeg",
    };

    /// <summary>False: the frames have no timestamps (motion JPEG).</summary>
    public bool HasClock => Scheme is not ("http" or "https");

    /// <param name="username">Replaces the one in the URL of a web camera; null: that one.</param>
    /// <param name="password">Likewise.</param>
    /// <returns>Null: not such an address.</returns>
    public static StreamAddress? TryParse(string url, string? username = null, string? password = null)
    {
        if (url.AsSpan().ContainsAnyInRange('\0', ' ') || url.Contains('\x7f', StringComparison.Ordinal)
            || !Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Host.Length == 0
            || uri.Scheme is not ("http" or "https" or "rtmp" or "srt")) return null;
        if (username is null && password is null) return new(uri.Scheme, url);
        var parts = uri.UserInfo.Split(':', 2);
        var user = username is null ? parts[0] : Uri.EscapeDataString(username);
        var secret = password is null ? parts.ElementAtOrDefault(1) : Uri.EscapeDataString(password);
        return new(uri.Scheme, $"{uri.Scheme}://{user}:{secret}@{uri.Authority}{uri.PathAndQuery}");
    }

    /// <exception cref="SourceException">Not such an address; the message does not repeat it.</exception>
    public static StreamAddress Parse(string url, string? username, string? password) =>
        TryParse(url, username, password)
        ?? throw new SourceException(SourceFault.Config, $"The url {Expected}.");
}
