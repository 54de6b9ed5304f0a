using System.Globalization;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>
/// Lifecycle events as CloudEvents 1.0: attributes beside the data (binary mode,
/// MQTT 5) or around it (structured mode). Reused; one thread.
/// </summary>
internal sealed class EventEncoder(SinkContext context, Envelope envelope) : IDisposable
{
    // Votes beyond these decide nothing, and the message stays small with a thousand classes.
    private const int MaxVotes = 10;
    private static readonly JsonEncodedText Schema = JsonEncodedText.Encode(Schemas.Event);
    private readonly PayloadBuffer _payload = new();

    public static string TypeOf(EventKind kind) => kind switch
    {
        EventKind.TrackStarted => "io.dvis.track.started",
        EventKind.TrackUpdated => "io.dvis.track.updated",
        EventKind.TrackLost => "io.dvis.track.lost",
        EventKind.TrackEnded => "io.dvis.track.ended",
        EventKind.TrackFinalized => "io.dvis.track.finalized",
        EventKind.TrackRetracted => "io.dvis.track.retracted",
        EventKind.TrackIdentityChanged => "io.dvis.track.identity_changed",
        EventKind.CameraOnline => "io.dvis.camera.online",
        EventKind.CameraOffline => "io.dvis.camera.offline",
        EventKind.CameraDegraded => "io.dvis.camera.degraded",
        EventKind.CameraRecovered => "io.dvis.camera.recovered",
        EventKind.TrackerReset => "io.dvis.tracker.reset",
        EventKind.DataGap => "io.dvis.data.gap",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>The attributes, in the order of the specification;
    /// <c>datacontenttype</c> is the transport's content type.</summary>
    public KeyValuePair<string, string>[] Attributes(LifecycleEvent e)
    {
        KeyValuePair<string, string>[] required =
        [
            new("specversion", "1.0"),
            // Before the first epoch of a camera the run stands for it.
            new("id", string.Create(CultureInfo.InvariantCulture,
                $"{(e.Epoch.Length > 0 ? e.Epoch : context.Session)}-{e.Sequence}")),
            new("source", $"/dvis/{context.Node}/camera/{e.Camera}"),
            new("type", TypeOf(e.Kind)),
            new("time", e.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture)),
        ];
        return e.Track is { } number
            ? [.. required, new("subject", string.Create(CultureInfo.InvariantCulture, $"{e.Epoch}-{number}"))]
            : required;
    }

    /// <summary>The data alone; valid until the next call.</summary>
    public ReadOnlyMemory<byte> EncodeData(LifecycleEvent e, Sequence sequence, Moment published)
    {
        var w = _payload.Begin();
        w.WriteStartObject();
        WriteData(w, e, sequence, published);
        w.WriteEndObject();
        return _payload.End();
    }

    /// <summary>The whole event in one object; valid until the next call.</summary>
    public ReadOnlyMemory<byte> EncodeStructured(LifecycleEvent e, Sequence sequence, Moment published)
    {
        var w = _payload.Begin();
        w.WriteStartObject();
        foreach (var (name, value) in Attributes(e)) w.WriteString(name, value);
        w.WriteString("datacontenttype"u8, "application/json"u8);
        w.WriteStartObject("data"u8);
        WriteData(w, e, sequence, published);
        w.WriteEndObject();
        w.WriteEndObject();
        return _payload.End();
    }

    public void Dispose() => _payload.Dispose();

    private void WriteData(Utf8JsonWriter w, LifecycleEvent e, Sequence sequence, Moment published)
    {
        envelope.WriteIdentity(w, Schema, e.Epoch.Length > 0 ? e.Epoch : null, sequence.Next(), e.Camera);
        if (e.Frame is { } frame) envelope.WriteFrame(w, frame, null, published);
        else w.Stamp("published"u8, published.Utc);
        if (e.Track is { } number) WriteTrack(w, e, number);
        if (e.Into is { } into) w.TrackId("into"u8, e.Epoch, into);
        w.Text("reason"u8, e.Reason);
        if (e.Summary is { } summary) WriteSummary(w, summary);
    }

    private void WriteTrack(Utf8JsonWriter w, LifecycleEvent e, long number)
    {
        w.WriteStartObject("track"u8);
        w.TrackId("id"u8, e.Epoch, number);
        if (e.ClassId is { } classId)
        {
            w.WriteNumber("class_id"u8, classId);
            w.WriteString("label"u8, envelope.Labels.Name(classId));
        }

        if (e.Score is { } score) w.WriteNumber("score"u8, JsonText.Thousandths(score));
        w.WriteEndObject();
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
        foreach (var (classId, votes) in summary.ClassVotes.OrderByDescending(v => v.Value).ThenBy(v => v.Key)
            .Take(MaxVotes))
        {
            w.WriteStartObject();
            w.WriteNumber("class_id"u8, classId);
            w.WriteString("label"u8, envelope.Labels.Name(classId));
            w.WriteNumber("votes"u8, votes);
            w.WriteEndObject();
        }

        w.WriteEndArray();
        w.WriteEndObject();
    }
}
