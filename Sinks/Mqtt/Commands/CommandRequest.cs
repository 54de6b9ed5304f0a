using System.Text.Json;

namespace Dvis.Streaming.Sinks.Mqtt.Commands;

/// <summary>A command as it came: <c>{prefix}/camera/{camera}/cmd/{verb}</c> with an
/// empty payload or an empty JSON object.</summary>
internal readonly record struct CommandRequest(string Camera, string Verb)
{
    public const int MaxPayload = 1024;

    /// <summary>Of a topic that <c>{prefix}/camera/+/cmd/+</c> matches.</summary>
    public static CommandRequest Of(string topic) =>
        topic.Split('/') is [.., var camera, _, var verb] ? new(camera, verb) : default;

    /// <exception cref="FormatException">Says in one sentence what is wrong with the payload.</exception>
    public static void Check(ReadOnlyMemory<byte> payload)
    {
        if (payload.Span.Trim((byte)' ').IsEmpty && payload.Length <= MaxPayload) return;
        if (payload.Length > MaxPayload)
            throw new FormatException($"The payload has {payload.Length} bytes, at most {MaxPayload} are read.");
        try
        {
            using var json = JsonDocument.Parse(payload, new JsonDocumentOptions { MaxDepth = 2 });
            if (json.RootElement.ValueKind != JsonValueKind.Object || json.RootElement.GetPropertyCount() > 0)
                throw new FormatException("The payload must be empty or {}.");
        }
        catch (JsonException e)
        {
            throw new FormatException("The payload must be empty or {}; it is no JSON.", e);
        }
    }
}
