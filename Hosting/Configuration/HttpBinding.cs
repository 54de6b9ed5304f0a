using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Reads <c>http.bind</c>.</summary>
internal static class HttpBinding
{
    /// <summary>True for <c>127.0.0.1:8080</c>, <c>[::1]:0</c> and <c>localhost:8080</c>; a port is needed.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out IPEndPoint? endpoint)
    {
        if (text.StartsWith("localhost:", StringComparison.Ordinal)) text = $"127.0.0.1{text["localhost".Length..]}";
        // IPEndPoint takes an address alone as port 0; a bind without a port is more likely a mistake.
        var hasPort = text.Contains("]:", StringComparison.Ordinal) || text.Count(c => c == ':') == 1;
        endpoint = null;
        return hasPort && IPEndPoint.TryParse(text, out endpoint);
    }
}
