using System.Text.RegularExpressions;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Takes logins out of text that goes to logs, events or exceptions: everything between <c>://</c> and the last
/// <c>@</c> of a word, values of query parameters that look like secrets, and the given secrets wherever they stand,
/// plain or percent-encoded. Rather too much than too little.
/// </summary>
internal sealed partial class Redactor
{
    private const string Mask = "***";
    private const int ShortestSecret = 3; // shorter ones would take whole messages apart
    private readonly string[] _secrets;

    public Redactor(params IEnumerable<string?> secrets)
        => _secrets = [.. secrets.Where(s => s is { Length: >= ShortestSecret })
            .SelectMany(s => new[] { s!, Uri.EscapeDataString(s!), Uri.UnescapeDataString(s!) })
            .Distinct().OrderByDescending(s => s.Length)];

    /// <summary>An address of ours and the one it stands for, which is what people know; null: none.</summary>
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

    [GeneratedRegex(@"(?<=(?:pass|passwd|password|pwd|token|secret|auth|key)=)[^&\s]+", RegexOptions.IgnoreCase)]
    private static partial Regex Parameter();
}
