namespace Dvis.Streaming.Sources;

/// <summary>A camera's address with and without its login.</summary>
internal static class RtspUrl
{
    public static bool IsValid(string url) => Parse(url) is not null;

    /// <summary>The URL with this login in it, percent-encoded; a null part is taken from the URL.</summary>
    /// <exception cref="UriFormatException">Not a <c>rtsp</c> or <c>rtsps</c> URL. The message does not repeat it.</exception>
    public static string WithLogin(string url, string? username, string? password)
    {
        if (Parse(url) is not { } parts) throw new UriFormatException("must be a rtsp:// or rtsps:// URL with a host");
        var user = username is null ? parts.User : Uri.EscapeDataString(username);
        var pass = password is null ? parts.Password : Uri.EscapeDataString(password);
        if (user.Length == 0 && pass.Length == 0) return parts.Scheme + parts.Address;
        return $"{parts.Scheme}{user}:{pass}@{parts.Address}";
    }

    /// <summary>What must never be shown: the login's parts as they stand in the URL and decoded.</summary>
    public static IEnumerable<string> Secrets(string url)
    {
        if (Parse(url) is not { } parts || parts.Password.Length == 0) yield break;
        yield return parts.Password;
        yield return Uri.UnescapeDataString(parts.Password);
    }

    // By hand rather than with Uri, which rejects or re-encodes passwords that decoders accept (a bare ':' or '@').
    // The authority ends at the first '/', '?' or '#'; the login ends at its last '@'.
    private static (string Scheme, string User, string Password, string Address)? Parse(string url)
    {
        var scheme = url.StartsWith("rtsp://", StringComparison.OrdinalIgnoreCase) ? "rtsp://"
            : url.StartsWith("rtsps://", StringComparison.OrdinalIgnoreCase) ? "rtsps://" : null;
        if (scheme is null || url.AsSpan().ContainsAnyInRange('\0', ' ')) return null;
        var rest = url[scheme.Length..];
        var end = rest.AsSpan().IndexOfAny("/?#");
        var at = (end < 0 ? rest : rest[..end]).LastIndexOf('@');
        var login = at < 0 ? "" : rest[..at];
        rest = rest[(at + 1)..];
        if (rest.Length == 0 || rest[0] is '/' or ':' || rest[0] == '-') return null;
        var colon = login.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? (scheme, login, "", rest) : (scheme, login[..colon], login[(colon + 1)..], rest);
    }
}
