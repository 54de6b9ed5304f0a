using System.Text.RegularExpressions;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Takes secrets out of texts that people see.</summary>
internal static partial class Redaction
{
    public const string Mask = "***";

    /// <summary>Passwords in URLs: <c>rtsp://user:pass@host</c> and query values such as <c>?token=…</c>.</summary>
    public static string Urls(string text) =>
        Query().Replace(UserInfo().Replace(text, m => $"{m.Groups["scheme"].Value}{m.Groups["user"].Value}:{Mask}@"),
            m => m.Groups["key"].Value + Mask);

    public static string Apply(string text, IEnumerable<string> secrets) =>
        secrets.OrderByDescending(s => s.Length)
        .Aggregate(Urls(text), (t, secret) => t.Replace(secret, Mask, StringComparison.Ordinal));

    // A password may itself hold an @: everything up to the last one before the path belongs to it.
    [GeneratedRegex(@"(?<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?<user>[^/\s:@]*):[^/\s]*@")]
    private static partial Regex UserInfo();

    [GeneratedRegex(
        @"(?<key>[?&](?:pass|passphrase|password|passwd|pwd|token|key|apikey|api_key|secret|auth)=)[^&\s'""]+",
        RegexOptions.IgnoreCase)]
    private static partial Regex Query();
}
