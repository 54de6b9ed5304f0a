using System.Text.Json;
using System.Text.Json.Serialization;
using Dvis.Streaming.Hosting.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Dvis.Streaming.Hosting;

/// <summary>What the web server answers.</summary>
internal static class Endpoints
{
    private static readonly HealthJson Json = new(new JsonSerializerOptions(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull });

    public static void Map(WebApplication app, StreamingOptions options, Health health, PrometheusExporter exporter)
    {
        app.MapGet("/", Task (HttpContext context) => WriteAsync(context, "text/plain; charset=utf-8", Index(options)));
        app.MapGet("/health/live", Task (HttpContext context) => WriteAsync(context, health.Live()));
        app.MapGet("/health/ready", Task (HttpContext context) => WriteAsync(context, health.Ready()));
        if (options.Telemetry.Prometheus)
            app.MapGet("/metrics", async Task (HttpContext context) =>
            {
                context.Response.ContentType = MetricPage.ContentType;
                await context.Response.Body.WriteAsync(exporter.Scrape(), context.RequestAborted);
            });
    }

    private static string Index(StreamingOptions options) =>
        $"dvis {BuildInfo.Version}, node {options.Node.Id}\n\n{(options.Telemetry.Prometheus ? "/metrics\n" : "")}/health/live\n/health/ready\n";

    private static Task WriteAsync(HttpContext context, HealthReport report)
    {
        context.Response.StatusCode = report.Healthy ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return WriteAsync(context, "application/json", JsonSerializer.Serialize(report, Json.HealthReport));
    }

    private static Task WriteAsync(HttpContext context, string type, string text)
    {
        context.Response.ContentType = type;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}

[JsonSerializable(typeof(HealthReport))]
internal sealed partial class HealthJson : JsonSerializerContext;
