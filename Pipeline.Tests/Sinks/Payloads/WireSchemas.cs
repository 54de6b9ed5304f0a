using System.Text.Json;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;

/// <summary>The shipped schemas, by the end of the topic.</summary>
internal static class WireSchemas
{
    public static JsonElement Valid(string schema, ReadOnlyMemory<byte> payload)
    {
        using var document = JsonDocument.Parse(payload);
        var value = document.RootElement.Clone();
        var errors = JsonSchema.Load(Repo.Path($"schemas/{schema}.schema.json")).Validate(value);
        Assert.True(errors.Count == 0, $"{string.Join('\n', errors)}\n{value}");
        return value;
    }

    public static string? For(string topic) => topic switch
    {
        _ when topic.EndsWith("/tracks", StringComparison.Ordinal) => "tracks",
        _ when topic.EndsWith("/tracks/final", StringComparison.Ordinal) => "final",
        _ when topic.EndsWith("/segments", StringComparison.Ordinal) => "segments",
        _ when topic.EndsWith("/segments/final", StringComparison.Ordinal) => "segments_final",
        _ when topic.EndsWith("/events", StringComparison.Ordinal) => "event",
        _ when topic.EndsWith("/state", StringComparison.Ordinal) => "state",
        _ when topic.EndsWith("/status", StringComparison.Ordinal) => "status",
        _ when topic.EndsWith("/labels", StringComparison.Ordinal) => "labels",
        _ => null,
    };
}
