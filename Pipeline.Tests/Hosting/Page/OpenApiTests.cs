using System.Text.Json;
using System.Text.Json.Nodes;
using Dvis.Streaming.Hosting.Http;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page;

/// <summary>The shipped OpenAPI document says what the server does.</summary>
public sealed class OpenApiTests : IAsyncDisposable
{
    private readonly PageRig _rig = new();
    private readonly JsonNode _document = JsonNode.Parse(File.ReadAllText(Repo.Path("schemas/openapi.json")))!;

    [Fact]
    public async Task Paths_AreThoseThatAreServed()
    {
        await _rig.StartAsync();
        var served = _rig.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => !IsPage(e)).Select(PathOf).Where(p => p != "/").Distinct().Order();
        Assert.Equal(_document["paths"]!.AsObject().Select(p => p.Key).Order(), served);
        var text = await _rig.Http.GetStringAsync(_rig.Uri("/api/v1/openapi.json"));
        Assert.True(JsonNode.DeepEquals(_document, JsonNode.Parse(text)));
    }

    [Fact]
    public async Task Answers_AreValid()
    {
        await _rig.StartAsync();
        await Eventually.TrueAsync(() => _rig.Camera("a").Counts.Final > 0, "there are finals");
        await Eventually.TrueAsync(() => _rig.Camera("a").Recent.Final.P95 is not null, "they are measured");
        var camera = (await _rig.JsonAsync("/api/v1/cameras")).GetProperty("cameras")[0];
        Assert.InRange(camera.GetProperty("latency").GetProperty("final").GetProperty("p50_ms").GetDouble(),
            camera.GetProperty("latency").GetProperty("provisional").GetProperty("p50_ms").GetDouble(),
            double.MaxValue);
        foreach (var (path, query) in ((string, string)[])[
            ("/api/v1/status", ""), ("/api/v1/cameras", ""), ("/api/v1/tracks", "?camera=a"),
            ("/api/v1/events", "?camera=a"), ("/api/v1/config", ""), ("/api/v1/log", "")])
        {
            var answer = await _rig.JsonAsync(path + query);
            var schema = _document["paths"]![path]!["get"]!["responses"]!["200"]!["content"]!["application/json"]!
                ["schema"]!["$ref"]!.GetValue<string>();
            Valid(schema.Split('/')[^1], answer);
        }

        var track = (await _rig.JsonAsync("/api/v1/tracks?camera=a")).GetProperty("tracks")[0];
        var started = (await _rig.JsonAsync("/api/v1/events?camera=a")).GetProperty("events").EnumerateArray()
            .Last(e => e.GetProperty("kind").GetString() == "track.started");
        Assert.Equal(track.GetProperty("id").GetString(), started.GetProperty("track").GetString());
    }

    [Fact]
    public async Task ZonesAndLines_AreSharesOfTheFrame_AndTheirEventsAreValid()
    {
        await _rig.StartAsync(cameras: $$"""
            a: { {{PageRig.Scene}}, zones: { all: { polygon: [[0, 0], [256, 0], [256, 160], [0, 160]], inertia: 1 } },
                lines: { gate: { points: [[0.5, 0], [0.5, 1]], labels: [person] } } }
            """);
        await Eventually.TrueAsync(
            async () => (await EventsAsync()).Any(e => Confirmed(e) is not null), "a provisional event is confirmed");
        var events = await EventsAsync();
        var confirming = events.First(e => Confirmed(e) is not null);
        var asked = events.Single(e => e.GetProperty("id").GetString() == Confirmed(confirming));
        Assert.Equal(asked.GetProperty("kind").GetString(), confirming.GetProperty("kind").GetString());
        Assert.Equal("provisional", asked.GetProperty("shape").GetProperty("basis").GetString());

        var cameras = await _rig.JsonAsync("/api/v1/cameras");
        Valid("Cameras", cameras);
        var camera = cameras.GetProperty("cameras")[0];
        var zone = Assert.Single(camera.GetProperty("zones").EnumerateArray());
        Assert.Equal("[[0,0],[1,0],[1,1],[0,1]]", zone.GetProperty("polygon").GetRawText());
        Assert.True(zone.GetProperty("count").GetInt32() > 0);
        Assert.Equal(
            """[{"name":"gate","points":[[0.5,0],[0.5,1]],"labels":["person"]}]""",
            camera.GetProperty("lines").GetRawText());

        async Task<JsonElement[]> EventsAsync()
        {
            var answer = await _rig.JsonAsync("/api/v1/events?camera=a");
            Valid("Events", answer);
            return [.. answer.GetProperty("events").EnumerateArray()];
        }

        static string? Confirmed(JsonElement e) => e.GetProperty("shape") is { ValueKind: JsonValueKind.Object } shape
            ? shape.GetProperty("confirms").GetString() : null;
    }

    [Fact]
    public async Task Feed_EventsAreValid()
    {
        await _rig.StartAsync();
        var seen = new HashSet<string>();
        await foreach (var (name, data) in _rig.FeedAsync("fps=10&final=1"))
        {
            Valid($"{char.ToUpperInvariant(name[0])}{name[1..]}", data);
            // Only frames and finals with tracks prove something.
            if (!data.TryGetProperty("tracks", out var tracks) || tracks.GetArrayLength() > 0) seen.Add(name);
            if (seen.IsSupersetOf(["frame", "final", "camera"])) break;
        }
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private void Valid(string name, JsonElement value)
    {
        var schemas = _document["components"]!["schemas"]!.ToJsonString()
            .Replace("#/components/schemas/", "#/$defs/", StringComparison.Ordinal);
        var schema = JsonSchema.Of($$"""{ "$ref": "#/$defs/{{name}}", "$defs": {{schemas}} }""");
        Assert.Empty(schema.Validate(value).Select(error => $"{name}{error}: {value}"));
    }

    private static bool IsPage(RouteEndpoint endpoint) =>
        endpoint.Metadata.GetMetadata<GuardRule>() is { Policy: not null }
        && !endpoint.RoutePattern.RawText!.StartsWith("/schemas/", StringComparison.Ordinal);

    private static string PathOf(RouteEndpoint endpoint)
    {
        var path = endpoint.RoutePattern.RawText!.Replace(":long", "", StringComparison.Ordinal);
        return path.StartsWith("/schemas/", StringComparison.Ordinal) ? "/schemas/{name}" : path;
    }
}
