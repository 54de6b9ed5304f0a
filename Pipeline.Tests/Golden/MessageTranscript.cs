using System.Globalization;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Protos;
using Google.Protobuf;

namespace Dvis.Streaming.Pipeline.Tests.Golden;

/// <summary>
/// What a subscriber received, as lines that are the same on every machine: per topic its QoS, retain, expiry, content
/// type, user properties and the shape of its payloads; then, per camera, the order of its events and finals. How many
/// provisional messages came is left out: QoS 0 may lose some.
/// </summary>
internal static class MessageTranscript
{
    private static readonly JsonFormatter s_protobuf =
        new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    public static IReadOnlyList<string> Of(IReadOnlyList<ReceivedMessage> messages)
    {
        var topics = messages.GroupBy(m => m.Topic).OrderBy(g => g.Key, StringComparer.Ordinal);
        return [.. topics.SelectMany(Topic), .. Order(messages, "events", Events), .. Order(messages, "final", Finals)];
    }

    private static IEnumerable<string> Topic(IGrouping<string, ReceivedMessage> topic)
    {
        ReceivedMessage[] messages = [.. topic];
        yield return "";
        yield return $"# {topic.Key}";
        foreach (var header in messages.GroupBy(m => (m.Qos, m.Retain, m.ContentType)).OrderBy(g => g.Key))
        {
            var retained = header.Key.Retain ? ", retained" : "";
            var type = header.Key.ContentType.Length == 0 ? "" : $", {header.Key.ContentType}";
            yield return $"qos {header.Key.Qos}{retained}{Expiry(header)}{type}";
        }

        foreach (var property in Properties(messages)) yield return property;
        foreach (var line in Payloads(messages)) yield return line;
    }

    // The broker takes off the whole seconds that a message waited for its subscriber.
    private static string Expiry(IEnumerable<ReceivedMessage> messages) => messages.Max(m => m.Expiry) switch
    {
        null => "",
        > 100 and var seconds => $", expires {(seconds + 99) / 100 * 100} s",
        var seconds => $", expires {seconds} s",
    };

    private static IEnumerable<string> Properties(ReceivedMessage[] messages) =>
        messages.SelectMany(m => m.UserProperties.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(p => p.Split(':', 2))
            .GroupBy(p => p[0], p => JsonShape.Normalise(p[1]))
            .OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => $"property {g.Key}: {string.Join(", ", g.Distinct().Order(StringComparer.Ordinal))}");

    private static IEnumerable<string> Payloads(ReceivedMessage[] messages)
    {
        var shape = new JsonShape();
        var texts = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var message in messages)
        {
            if (Json(message) is { } json) shape.Add(JsonDocument.Parse(json).RootElement);
            else texts.Add(message.Text);
        }

        if (texts.Count > 0) yield return $"text: {string.Join(", ", texts.Select(t => $"\"{t}\""))}";
        foreach (var line in shape.Lines) yield return line;
    }

    /// <returns>Null: the payload is a bare word or number, or empty.</returns>
    private static string? Json(ReceivedMessage message)
    {
        var levels = message.Topic.Split('/');
        if (levels.Contains("masks")) return s_protobuf.Format(MaskFrame.Parser.ParseFrom(message.Payload));
        if (levels.Contains("map")) return s_protobuf.Format(MapFrame.Parser.ParseFrom(message.Payload));
        return message.Text.StartsWith('{') ? message.Text : null;
    }

    private static IEnumerable<string> Order(
        IReadOnlyList<ReceivedMessage> messages, string topicEnd,
        Func<IEnumerable<ReceivedMessage>, IEnumerable<string>> lines)
    {
        var topics = messages
            .Where(m => m.Topic.EndsWith("/" + topicEnd, StringComparison.Ordinal) && m.Text.StartsWith('{'))
            .GroupBy(m => m.Topic).OrderBy(g => g.Key, StringComparer.Ordinal);
        foreach (var topic in topics)
        {
            yield return "";
            yield return $"# order on {topic.Key}";
            foreach (var line in lines(topic)) yield return line;
        }
    }

    /// <summary>
    /// The camera's own events, then those of each track: different threads publish them, so their order holds within
    /// each.
    /// </summary>
    private static IEnumerable<string> Events(IEnumerable<ReceivedMessage> messages) =>
        messages.Select(Event).GroupBy(e => e.Subject).OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => $"{g.Key}: {string.Join(", ", g.Select(e => e.Text))}");

    private static (string Subject, string Text) Event(ReceivedMessage message)
    {
        var json = JsonDocument.Parse(message.Text).RootElement;
        var type = json.TryGetProperty("type", out var structured)
            ? structured.GetString()!
            : message.UserProperties.Split(' ').Single(p => p.StartsWith("type:", StringComparison.Ordinal))[5..];
        if (structured.ValueKind != JsonValueKind.Undefined) json = json.GetProperty("data");
        if (!json.TryGetProperty("track", out var track)) return ("camera", type);
        var label = track.TryGetProperty("label", out var name) ? $" {name.GetString()}" : "";
        return ($"track {track.GetProperty("id").GetString()![27..]}", type + label);
    }

    private static IEnumerable<string> Finals(IEnumerable<ReceivedMessage> messages) =>
        messages.Select(Final).CountBy(line => line).Select(line => $"{line.Key}: {line.Value}");

    private static string Final(ReceivedMessage message)
    {
        var json = JsonDocument.Parse(message.Text).RootElement;
        var window = json.GetProperty("window");
        var frames = window.GetProperty("last_frame").GetInt64() - window.GetProperty("first_frame").GetInt64() + 1;
        var result = json.GetProperty("result").GetString();
        return string.Create(CultureInfo.InvariantCulture, $"{result}, {frames} frames");
    }
}
