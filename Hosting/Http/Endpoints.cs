using System.Text.Json;
using System.Text.Json.Serialization;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Dvis.Streaming.Hosting.Http;

/// <summary>Pages of the web server.</summary>
internal static class Endpoints
{
    private static readonly string[] s_methods = [HttpMethods.Get, HttpMethods.Head];
    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <param name="withIndex">False: the live page is at <c>/</c>.</param>
    public static void Map(
        WebApplication app, CurrentConfig config, Health health, MetricsPage metrics, bool withIndex)
    {
        var options = config.Options;
        if (withIndex) Serve("/", context => WriteAsync(context, "text/plain; charset=utf-8", Index(options)));
        // Container runtimes cannot send a token; without one the answers are a word.
        Serve("/health/live", context => AnswerAsync(context, health.Live()))
            .WithMetadata(new GuardRule(IsOpen: true));
        Serve("/health/ready", context => AnswerAsync(context, health.Ready()))
            .WithMetadata(new GuardRule(IsOpen: true));
        if (options.Telemetry.Prometheus) Serve("/metrics", metrics.WriteAsync);

        // The server omits the body of an answer to HEAD.
        IEndpointConventionBuilder Serve(string path, RequestDelegate answer) =>
            app.MapMethods(path, s_methods, answer);

        Task AnswerAsync(HttpContext context, HealthReport report) => WriteAsync(
            context, HttpGuard.IsAllowed(context, config) ? report : new(report.Healthy, report.Status));
    }

    private static string Index(StreamingOptions options)
    {
        var metrics = options.Telemetry.Prometheus ? "/metrics\n" : "";
        return $"dvis {BuildInfo.Version}, node {options.Node.Id}\n\n{metrics}/health/live\n/health/ready\n";
    }

    private static Task WriteAsync(HttpContext context, HealthReport report)
    {
        context.Response.StatusCode = report.Healthy
            ? StatusCodes.Status200OK
            : StatusCodes.Status503ServiceUnavailable;
        return WriteAsync(context, "application/json", JsonSerializer.Serialize(report, s_json));
    }

    private static Task WriteAsync(HttpContext context, string type, string text)
    {
        context.Response.ContentType = type;
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
