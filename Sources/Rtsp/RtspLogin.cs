using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>
/// Login at a camera: Digest with SHA-256 or MD5 (RFC 7616, RFC 2617), or Basic (RFC 7617), which sends the password
/// itself, where the camera offers no Digest at all. Not thread-safe.
/// </summary>
/// <param name="digestOnly">Basic is not answered.</param>
/// <param name="clientNonce">Source of client nonces; null: random.</param>
internal sealed partial class RtspLogin(
    string user, string password, bool digestOnly = false, Func<string>? clientNonce = null)
{
    private const int MostNamed = 4;       // challenges in a message
    private const int MostCharacters = 32; // of a name in it

    private Challenge? _challenge;
    private int _count;
    private bool _accepted;

    /// <summary>Takes the challenges of a response 401; false: the login is wrong, or no scheme is supported.</summary>
    /// <param name="answered">The request had an Authorization header.</param>
    public bool Take(IEnumerable<string> challenges, bool answered)
    {
        var known = Known([.. challenges.SelectMany(Split)]).MaxBy(c => c.Strength);
        // Cameras refuse wrong logins with a new nonce as well, and count them: only a stale nonce is worth another
        // answer, or a new one where the login was accepted before.
        if (known is null || (answered && !known.Stale && (!_accepted || known.Nonce == _challenge?.Nonce)))
            return false;
        (_challenge, _count) = (known, 0);
        return true;
    }

    /// <summary>What a camera asks for when nothing of it is supported, as the rest of a sentence; else null.</summary>
    public string? Unsupported(IEnumerable<string> challenges)
    {
        List<Offer> offered = [.. challenges.SelectMany(Split)];
        if (offered.Count == 0 || Known(offered).Any()) return null;
        var basic = digestOnly ? "Basic not at another host" : "Basic where no Digest is offered";
        return $"it asks for {string.Join(", ", offered.Select(o => o.Describe()).Distinct().Take(MostNamed))}; "
            + $"supported are Digest with SHA-256 or MD5, and {basic}";
    }

    private IEnumerable<Challenge> Known(List<Offer> offered)
    {
        var refusesBasic = digestOnly || offered.Exists(o => o.Is("Digest"));
        return offered.Where(o => !refusesBasic || !o.Is("Basic")).Select(Read).OfType<Challenge>();
    }

    /// <summary>The camera accepted an answer.</summary>
    public void Accepted() => _accepted = true;

    /// <summary>Value of the Authorization header; null before the first challenge.</summary>
    public string? Answer(string method, string uri)
    {
        if (_challenge is not { } asked) return null;
        if (asked.Algorithm is not { } algorithm)
            return "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));
        var client = clientNonce?.Invoke() ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        var count = (++_count).ToString("x8", CultureInfo.InvariantCulture);
        var secret = Hash(algorithm, $"{user}:{asked.Realm}:{password}");
        if (asked.Session) secret = Hash(algorithm, $"{secret}:{asked.Nonce}:{client}");
        var request = Hash(algorithm, $"{method}:{uri}");
        var response = Hash(algorithm, asked.Quality
            ? $"{secret}:{asked.Nonce}:{count}:{client}:auth:{request}"
            : $"{secret}:{asked.Nonce}:{request}");
        var answer = new StringBuilder(
            $"Digest username={Quote(Bytes(user))}, realm={Quote(asked.Realm)}, nonce={Quote(asked.Nonce)}, "
            + $"uri={Quote(uri)}, response=\"{response}\"");
        if (asked.Named is { } named) answer.Append(CultureInfo.InvariantCulture, $", algorithm={named}");
        if (asked.Opaque is { } opaque) answer.Append(CultureInfo.InvariantCulture, $", opaque={Quote(opaque)}");
        if (asked.Quality) answer.Append(CultureInfo.InvariantCulture, $", qop=auth, nc={count}");
        if (asked.Quality || asked.Session) answer.Append(CultureInfo.InvariantCulture, $", cnonce=\"{client}\"");
        return answer.ToString();
    }

    // One header may have several challenges: a scheme is a word that has no value.
    private static List<Offer> Split(string header)
    {
        var offers = new List<Offer>();
        if (header.AsSpan().ContainsAnyInRange('\0', '\x1f')) return offers; // its values are repeated in the answer
        foreach (Match match in Word().Matches(header))
        {
            if (!match.Groups["value"].Success)
                offers.Add(new(match.Groups["name"].Value, new(StringComparer.OrdinalIgnoreCase)));
            else if (offers.Count > 0)
                offers[^1].Values.TryAdd(match.Groups["name"].Value, match.Groups["quoted"].Success
                    ? Escape().Replace(match.Groups["quoted"].Value, "$1")
                    : match.Groups["bare"].Value);
        }

        return offers;
    }

    private static Challenge? Read(Offer offer)
    {
        var values = offer.Values;
        if (offer.Is("Basic")) return new(null, null, "", "", null, false, false, false);
        if (!offer.Is("Digest")) return null;
        var named = values.GetValueOrDefault("algorithm");
        var session = named?.EndsWith("-sess", StringComparison.OrdinalIgnoreCase) ?? false;
        HashAlgorithmName? algorithm = (session ? named![..^5] : named)?.ToUpperInvariant() switch
        {
            null or "MD5" => HashAlgorithmName.MD5,
            "SHA-256" => HashAlgorithmName.SHA256,
            _ => null,
        };
        var quality = values.GetValueOrDefault("qop") is { Length: > 0 } qop ? qop : null; // some have qop=""
        if (algorithm is null || !values.TryGetValue("nonce", out var nonce)) return null;
        if (quality is not null && !quality.Split(',', StringSplitOptions.TrimEntries)
            .Contains("auth", StringComparer.OrdinalIgnoreCase)) return null;
        var stale = string.Equals(values.GetValueOrDefault("stale"), "true", StringComparison.OrdinalIgnoreCase);
        return new(algorithm, named, values.GetValueOrDefault("realm", ""), nonce, values.GetValueOrDefault("opaque"),
            quality is not null, session, stale);
    }

    [SuppressMessage("Security", "CA5351",
        Justification = "Cameras ask for it (RFC 2617); a stronger one is used where it is offered.")]
    private static string Hash(HashAlgorithmName algorithm, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return Convert.ToHexStringLower(algorithm == HashAlgorithmName.SHA256
            ? SHA256.HashData(bytes)
            : MD5.HashData(bytes));
    }

    // Messages are written in Latin-1.
    private static string Bytes(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    private static string Quote(string text) =>
        $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    [GeneratedRegex(
        """(?<name>[A-Za-z][\w-]*)(?<value>\s*=\s*(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<bare>[^\s,"]*)))?""")]
    private static partial Regex Word();

    [GeneratedRegex(@"\\(.)")]
    private static partial Regex Escape();

    /// <summary>Challenge as it came.</summary>
    private sealed record Offer(string Scheme, Dictionary<string, string> Values)
    {
        public bool Is(string scheme) => Scheme.Equals(scheme, StringComparison.OrdinalIgnoreCase);

        public string Describe() => !Is("Digest") ? Short(Scheme)
            : !Values.ContainsKey("nonce") ? "Digest without a nonce"
            : $"Digest with {Short(Values.GetValueOrDefault("algorithm", "MD5"))}"
                + (Values.GetValueOrDefault("qop") is { Length: > 0 } qop ? $" and qop {Short(qop)}" : "");

        // It comes from the camera.
        private static string Short(string text)
        {
            var plain = string.Concat(text.Where(c => char.IsAsciiLetterOrDigit(c) || c is '-' or ',' or '_'));
            return plain.Length > MostCharacters ? plain[..MostCharacters] : plain;
        }
    }

    /// <param name="Algorithm">Null: Basic.</param>
    /// <param name="Named">Algorithm as the camera wrote it; null when it did not.</param>
    /// <param name="Quality">With <c>qop=auth</c>.</param>
    /// <param name="Session">The secret is bound to the nonces (<c>-sess</c>).</param>
    private sealed record Challenge(HashAlgorithmName? Algorithm, string? Named, string Realm, string Nonce,
        string? Opaque, bool Quality, bool Session, bool Stale)
    {
        public int Strength => Algorithm is null ? 0 : Algorithm == HashAlgorithmName.SHA256 ? 2 : 1;
    }
}
