using System.Globalization;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Options;

/// <summary>Address and login of a camera.</summary>
/// <param name="Secure"><c>rtsps</c>: inside TLS.</param>
/// <param name="Host">Without the brackets of an IPv6 address.</param>
/// <param name="Port">322 for <c>rtsps</c> and 554 otherwise where the URL has none (RFC 2326, RFC 7826).</param>
/// <param name="Url">Complete URL without its login, always with the port, as decoders request it.</param>
/// <param name="User">Decoded; empty when there is none.</param>
/// <param name="Password">Decoded; empty when there is none.</param>
internal sealed record RtspAddress(bool Secure, string Host, int Port, string Url, string User, string Password)
{
    public const string Expected = "must be a rtsp:// or rtsps:// URL with a host";

    /// <summary>True: the camera redirected here from another host, which must not get the password itself.</summary>
    public bool IsElsewhere { get; private init; }

    public bool HasLogin => User.Length > 0 || Password.Length > 0;

    /// <summary>True: the URL has parameters, which some cameras use for their login.</summary>
    public bool HasQuery => Url.Contains('?', StringComparison.Ordinal);

    /// <param name="username">Replaces the one in the URL; null: that one.</param>
    /// <param name="password">Likewise.</param>
    /// <exception cref="SourceException">Not a <c>rtsp</c> or <c>rtsps</c> URL, or a login with control characters; the
    /// message does not repeat it.</exception>
    public static RtspAddress Parse(string url, string? username = null, string? password = null)
    {
        var address = TryParse(url)
            ?? throw new SourceException(SourceFault.Config, $"The url {Expected}.");
        address = address with { User = username ?? address.User, Password = password ?? address.Password };
        return address.User.Any(char.IsControl)
            ? throw new SourceException(SourceFault.Config, "The url has control characters in its login.")
            : address;
    }

    /// <summary>Address to which a camera redirects, with the login of this one unless it has its own.</summary>
    /// <exception cref="SourceException">Not a camera, or without TLS although this address has it.</exception>
    public RtspAddress Follow(string location)
    {
        var next = TryParse(location.Trim());
        if (next is null || (Secure && !next.Secure))
            throw new SourceException(SourceFault.Config, next is null
                ? $"The camera redirects; its address {Expected}."
                : "The camera redirects to an address without TLS; set url to it if that is right.");
        if (next.HasLogin) return next;
        var isElsewhere = IsElsewhere || !next.Host.Equals(Host, StringComparison.OrdinalIgnoreCase);
        return next with { User = User, Password = Password, IsElsewhere = isElsewhere };
    }

    /// <summary>The password as in the URL and decoded, for redaction.</summary>
    public static IEnumerable<string> Secrets(string url)
    {
        if (Split(url) is not { Login: var login } || login.IndexOf(':', StringComparison.Ordinal) is var colon
            && (colon < 0 || colon == login.Length - 1)) yield break;
        yield return login[(colon + 1)..];
        yield return Uri.UnescapeDataString(login[(colon + 1)..]);
    }

    /// <returns>Null: not such an address.</returns>
    public static RtspAddress? TryParse(string url)
    {
        if (Split(url) is not var (secure, login, rest) || rest.Length == 0 || rest[0] == '-') return null;
        var end = rest.AsSpan().IndexOfAny("/?#");
        var authority = end < 0 ? rest : rest[..end];
        var bracket = authority.IndexOf(']', StringComparison.Ordinal);
        var colon = authority.IndexOf(':', bracket + 1);
        var host = (colon < 0 ? authority : authority[..colon]).TrimStart('[').TrimEnd(']');
        var port = secure ? 322 : 554;
        if (host.Length == 0 || (colon >= 0 && !TryPort(authority.AsSpan(colon + 1), out port))) return null;
        var split = login.IndexOf(':', StringComparison.Ordinal);
        var (user, password) = split < 0 ? (login, "") : (login[..split], login[(split + 1)..]);
        var place = string.Create(CultureInfo.InvariantCulture,
            $"{authority[..(colon < 0 ? authority.Length : colon)]}:{port}{rest[authority.Length..]}");
        return new(secure, host, port, (secure ? "rtsps://" : "rtsp://") + place, Uri.UnescapeDataString(user),
            Uri.UnescapeDataString(password));
    }

    private static bool TryPort(ReadOnlySpan<char> text, out int port)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and <= 65535;

    // By hand rather than with Uri, which rejects or re-encodes passwords that decoders accept (a bare ':' or '@').
    // The authority ends at the first '/', '?' or '#'; the login ends at its last '@'.
    private static (bool Secure, string Login, string Place)? Split(string url)
    {
        var secure = url.StartsWith("rtsps://", StringComparison.OrdinalIgnoreCase);
        if ((!secure && !url.StartsWith("rtsp://", StringComparison.OrdinalIgnoreCase))
            || url.AsSpan().ContainsAnyInRange('\0', ' ')) return null;
        var rest = url[(secure ? "rtsps://" : "rtsp://").Length..];
        var end = rest.AsSpan().IndexOfAny("/?#");
        var at = (end < 0 ? rest : rest[..end]).LastIndexOf('@');
        return (secure, at < 0 ? "" : rest[..at], rest[(at + 1)..]);
    }
}
