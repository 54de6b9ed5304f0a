using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Time of handing over a message, on both clocks.</summary>
internal readonly record struct Moment(DateTimeOffset Utc, long Ticks)
{
    public static Moment Now(TimeProvider time) => new(time.GetUtcNow(), time.GetTimestamp());
}

/// <summary>Numbers of the messages of one topic, from 1: a gap is a loss. One thread.</summary>
internal sealed class Sequence
{
    private long _last;

    public long Next() => ++_last;
}

/// <summary>Writer of the fields that all payloads have: identity, times, frame, class.</summary>
internal sealed class Envelope(SinkContext context, TimeProvider time)
{
    private static readonly JsonEncodedText s_unknown = JsonEncodedText.Encode("unknown");

    private readonly JsonEncodedText _session = JsonEncodedText.Encode(context.Session);
    private readonly Dictionary<int, (bool IsThing, JsonEncodedText Name)> _classes = context.Model.Classes
        .ToDictionary(c => c.Id, c => (c.IsThing, JsonEncodedText.Encode(c.Name, JsonText.Encoder)));

    public SinkModel Model => context.Model;

    /// <summary>Id of the class map, which is retained on its own topic.</summary>
    public JsonEncodedText LabelsId { get; } = JsonEncodedText.Encode(context.Model.LabelsId, JsonText.Encoder);

    public bool IsThing(int classId) => _classes.TryGetValue(classId, out var known) && known.IsThing;

    /// <summary>Writes id and name; a class that the model lacks is a bug, but must not cost the message.</summary>
    public void WriteClass(Utf8JsonWriter w, int classId)
    {
        w.WriteNumber("class_id"u8, classId);
        w.WriteString("label"u8, _classes.TryGetValue(classId, out var known) ? known.Name : s_unknown);
    }

    public void WriteIdentity(Utf8JsonWriter w, JsonEncodedText schema, string? epoch, long seq, string camera)
    {
        w.WriteString("schema"u8, schema);
        w.WriteString("session"u8, _session);
        if (epoch is not null) w.WriteString("epoch"u8, epoch);
        w.WriteNumber("seq"u8, seq);
        w.WriteString("camera"u8, camera);
    }

    /// <summary>Writes times, latencies and size of the frame.</summary>
    public void WriteFrame(Utf8JsonWriter w, FrameInfo frame, StageLatency? latency, Moment published)
    {
        WriteMediaTime(w, frame);
        w.Clock(frame.Capture);
        w.Stamp("received"u8, frame.Received);
        w.Stamp("published"u8, published.Utc);
        w.WriteStartObject("latency_ms"u8);
        var total = frame.Age(time, published.Ticks).TotalMilliseconds;
        w.WriteNumber("total"u8, JsonText.Thousandths(total));
        if (frame.CaptureAge(time, published.Ticks) is { } since)
            w.WriteNumber("capture_to_publish"u8, JsonText.Thousandths(since.TotalMilliseconds));
        if (latency is not null) w.WriteNumber("queue"u8, JsonText.Thousandths(Math.Max(0, total - latency.Sum)));
        if (latency?.Segment is { } segment) w.WriteNumber("segment"u8, JsonText.Thousandths(segment));
        if (latency?.Track is { } track) w.WriteNumber("track"u8, JsonText.Thousandths(track));
        if (latency?.Refine is { } refine) w.WriteNumber("refine"u8, JsonText.Thousandths(refine));
        w.WriteEndObject();
        w.WriteStartObject("frame"u8);
        w.WriteNumber("width"u8, frame.Width);
        w.WriteNumber("height"u8, frame.Height);
        w.WriteEndObject();
    }

    public static void WriteMediaTime(Utf8JsonWriter w, FrameInfo frame)
    {
        w.WriteNumber("frame_id"u8, frame.FrameId);
        w.WriteNumber("pts"u8, frame.Pts);
        w.Timebase(frame.Timebase);
        w.Stamp("stamp"u8, frame.Capture.Stamp);
    }
}
