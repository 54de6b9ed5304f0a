using System.Security.Cryptography;
using System.Text;
using Dvis.Streaming.Hosting.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Http;

/// <summary>Exception of an endpoint from the rules of <see cref="HttpGuard"/>.</summary>
/// <param name="IsOpen">Answered without a token; true only for what has no data of this node.</param>
/// <param name="Policy">Content security policy of a page; null: that of everything else.</param>
internal sealed record GuardRule(bool IsOpen, string? Policy = null);

/// <summary>Protection of the web server: limits, the token, and headers for browsers.</summary>
internal static partial class HttpGuard
{
    private const int MostConnections = 64;

    private const string Policy = "Content-Security-Policy";
    private const string Scheme = "Bearer ";

    private static readonly (string Name, string Value)[] s_headers =
    [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        (Policy, "default-src 'none'; frame-ancestors 'none'"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ];

    /// <summary>Limits requests to one line and a few headers without a body.</summary>
    public static void Limit(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.MaxConcurrentUpgradedConnections = 0;
        limits.MaxRequestBodySize = 0;
        limits.MaxRequestLineSize = 2048;
        limits.MaxRequestHeaderCount = 32;
        limits.MaxRequestHeadersTotalSize = 8192;
        limits.MaxRequestBufferSize = 16384;
        // A whole page of metrics, so that a slow client does not block the next collection.
        limits.MaxResponseBufferSize = 4 << 20;
        // The second is for the first byte of a request, also of the first one. Scrapers connect again.
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
        limits.KeepAliveTimeout = TimeSpan.FromSeconds(5);
    }

    /// <summary>Limits the connections of an endpoint.</summary>
    public static void Limit(ListenOptions listen) => listen.Use(new ConnectionLimit(MostConnections).Use);

    public static void Use(WebApplication app, CurrentConfig config, ILogger logger) => app.Use(async (context, next) =>
    {
        foreach (var (name, value) in s_headers) context.Response.Headers[name] = value;
        var endpoint = context.GetEndpoint() as RouteEndpoint;
        var rule = endpoint?.Metadata.GetMetadata<GuardRule>();
        if (rule?.Policy is { } policy) context.Response.Headers[Policy] = policy;
        // Routing also takes other spellings of a path, such as one with a slash at its end.
        var isOpen = rule is { IsOpen: true } && context.Request.Path == endpoint!.RoutePattern.RawText;
        if (!isOpen && !IsAllowed(context, config))
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = "Bearer realm=\"dvis\"";
            return;
        }

        try
        {
            await next(context);
        }
        catch (Exception e) when (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            // The server's own answer would lack the headers.
            LogFailed(logger, context.Request.Path, e);
            context.Response.StatusCode = (e as Microsoft.AspNetCore.Http.BadHttpRequestException)?.StatusCode
                ?? StatusCodes.Status500InternalServerError;
        }
    });

    /// <summary>True when no token is required, or this request has it.</summary>
    public static bool IsAllowed(HttpContext context, CurrentConfig config) =>
        config.Options.Http.Token is not { } token
        || (context.Request.Headers.Authorization is [{ } sent] && sent.StartsWith(Scheme,
            StringComparison.OrdinalIgnoreCase) && Same(sent[Scheme.Length..].Trim(), token));

    // Hashed first, so that neither time nor length reveals how much of it is right.
    private static bool Same(string sent, string token) =>
        CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(sent)),
            SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    [LoggerMessage(4401, LogLevel.Error, "{Path} could not be answered.")]
    private static partial void LogFailed(ILogger logger, PathString path, Exception e);
}
