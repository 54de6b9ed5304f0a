using System.Globalization;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Encoder of lifecycle events as CloudEvents 1.0: attributes beside the data (binary mode, MQTT 5) or around
/// it (structured mode). Reused; one thread.</summary>
internal sealed class EventEncoder(SinkContext context, Envelope envelope) : IDisposable
{
    // Later votes decide nothing, and the message stays small with a thousand classes.
    private const int MaxVotes = 10;
    private static readonly JsonEncodedText s_schema = JsonEncodedText.Encode(Schemas.Event);

    private readonly JsonBuffer _payload = new();

    /// <summary>Attributes in the order of the specification, without <c>datacontenttype</c>.</summary>
    public KeyValuePair<string, string>[] Attributes(LifecycleEvent e)
    {
        // track_started is track.started, track_identity_changed is track.identity_changed.
        var kind = EnumName.Of(e.Kind).Split('_', 2);
        KeyValuePair<string, string>[] required =
        [
            new("specversion", "1.0"),
            new("id", e.Id),
            new("source", $"/dvis/{context.Node}/camera/{e.Camera}"),
            new("type", $"io.dvis.{kind[0]}.{kind[1]}"),
            new("time", e.Time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)),
        ];
        return e.Track is { } number
            ? [.. required, new("subject", TrackIds.Of(e.Epoch, number))]
            : required;
    }

    /// <summary>Encodes the data alone, or the whole event (<paramref name="structured"/>).</summary>
    /// <returns>The payload; valid until the next call.</returns>
    public ReadOnlyMemory<byte> Encode(LifecycleEvent e, Sequence sequence, Moment published, bool structured)
    {
        var w = _payload.Restart();
        w.WriteStartObject();
        if (structured)
        {
            foreach (var (name, value) in Attributes(e)) w.WriteString(name, value);
            w.WriteString("datacontenttype"u8, "application/json"u8);
            w.WriteStartObject("data"u8);
        }

        envelope.WriteIdentity(w, s_schema, e.Epoch.Length > 0 ? e.Epoch : null, sequence.Next(), e.Camera);
        if (e.Frame is { } frame) envelope.WriteFrame(w, frame, null, published);
        else w.Stamp("published"u8, published.Utc);
        if (e.Track is { } number) WriteTrack(w, e, number);
        if (e.Into is { } into) w.TrackId("into"u8, e.Epoch, into);
        if (e.Zone is { } zone) WriteZone(w, zone);
        w.WriteString("reason"u8, e.Reason);
        if (e.Summary is { } summary) WriteSummary(w, summary);
        if (structured) w.WriteEndObject();
        w.WriteEndObject();
        return _payload.End();
    }

    public void Dispose() => _payload.Dispose();

    private void WriteTrack(Utf8JsonWriter w, LifecycleEvent e, long number)
    {
        w.WriteStartObject("track"u8);
        w.TrackId("id"u8, e.Epoch, number);
        if (e.ClassId is { } classId) envelope.WriteClass(w, classId);
        if (e.Score is { } score) w.WriteNumber("score"u8, JsonText.Thousandths(score));
        w.WriteEndObject();
    }

    private static void WriteZone(Utf8JsonWriter w, ZoneFacts zone)
    {
        w.WriteString(zone.IsLine ? "line"u8 : "zone"u8, zone.Name);
        w.WriteString("basis"u8, EnumName.Of(zone.Basis));
        if (zone.DwellSeconds is { } dwell) w.WriteNumber("dwell_s"u8, JsonText.Thousandths(dwell));
        if (zone.Direction is { } direction) w.WriteString("direction"u8, EnumName.Of(direction));
        if (zone.Confirms is { } confirms) w.WriteString("confirms"u8, confirms);
        if (zone.Retracts is { } retracts) w.WriteString("retracts"u8, retracts);
    }

    private void WriteSummary(Utf8JsonWriter w, TrackSummary summary)
    {
        w.WriteStartObject("summary"u8);
        w.Stamp("first"u8, summary.First);
        w.Stamp("last"u8, summary.Last);
        w.WriteNumber("duration_s"u8, JsonText.Thousandths(summary.DurationSeconds));
        w.WriteNumber("max_score"u8, JsonText.Thousandths(summary.MaxScore));
        w.WriteNumber("best_frame"u8, summary.BestFrameId);
        w.WriteNumber("frames"u8, summary.Frames);
        w.WriteStartArray("class_votes"u8);
        foreach (var (classId, votes) in summary.ClassVotes.Take(MaxVotes))
        {
            w.WriteStartObject();
            envelope.WriteClass(w, classId);
            w.WriteNumber("votes"u8, votes);
            w.WriteEndObject();
        }

        w.WriteEndArray();
        w.WriteEndObject();
    }
}
