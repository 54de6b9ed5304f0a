using System.Text.RegularExpressions;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Masking of secrets in texts.</summary>
internal static partial class Redaction
{
    public const string Mask = "***";

    /// <summary>Masks passwords in URLs: <c>rtsp://user:pass@host</c>, and queries: <c>?token=…</c>.</summary>
    public static string Urls(string text) =>
        Query().Replace(UserInfo().Replace(text, m => $"{m.Groups["scheme"].Value}{m.Groups["user"].Value}:{Mask}@"),
            m => m.Groups["key"].Value + Mask);

    public static string Apply(string text, IEnumerable<string> secrets) =>
        secrets.OrderByDescending(s => s.Length)
        .Aggregate(Urls(text), (t, secret) => t.Replace(secret, Mask, StringComparison.Ordinal));

    // A password may contain an @: it ends at the last one before the path.
    [GeneratedRegex(@"(?<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?<user>[^/\s:@]*):[^/\s]*@")]
    private static partial Regex UserInfo();

    [GeneratedRegex(
        @"(?<key>[?&](?:pass|passphrase|password|passwd|pwd|token|key|apikey|api_key|secret|auth)=)[^&\s'""]+",
        RegexOptions.IgnoreCase)]
    private static partial Regex Query();
}
