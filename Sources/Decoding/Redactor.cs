using System.Text.RegularExpressions;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Redactor of logins in text for logs, events and exceptions. It masks everything between <c>://</c> and the last
/// <c>@</c> of a word, values of query parameters that look like secrets, and the given secrets, plain or
/// percent-encoded; rather too much than too little.
/// </summary>
internal sealed partial class Redactor
{
    private const string Mask = "***";
    private const int ShortestSecret = 3; // shorter ones are parts of ordinary words
    private readonly string[] _secrets;

    public Redactor(params IEnumerable<string?> secrets)
        => _secrets = [.. secrets.Where(s => s is { Length: >= ShortestSecret })
            .SelectMany(s => new[] { s!, Uri.EscapeDataString(s!), Uri.UnescapeDataString(s!) })
            .Distinct().OrderByDescending(s => s.Length)];

    /// <summary>Internal address and the configured one that replaces it; null: none.</summary>
    public (string Ours, string Theirs)? Alias { get; init; }

    public string Clean(string text)
    {
        if (Alias is var (ours, theirs)) text = text.Replace(ours, theirs, StringComparison.Ordinal);
        text = UserInfo().Replace(text, Mask + "@");
        text = Parameter().Replace(text, Mask);
        foreach (var secret in _secrets) text = text.Replace(secret, Mask, StringComparison.OrdinalIgnoreCase);
        return text;
    }

    [GeneratedRegex(@"(?<=://)\S*@")]
    private static partial Regex UserInfo();

    [GeneratedRegex(
        @"(?<=(?:pass(?:phrase)?|passwd|password|pwd|token|secret|auth|key)=)[^&\s]+", RegexOptions.IgnoreCase)]
    private static partial Regex Parameter();
}
