using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>When a message is handed over, on both clocks.</summary>
internal readonly record struct Moment(DateTimeOffset Utc, long Ticks)
{
    public static Moment Now(TimeProvider time) => new(time.GetUtcNow(), time.GetTimestamp());
}

/// <summary>Counts the messages of one topic from 1: a gap is a loss. One thread.</summary>
internal sealed class Sequence
{
    private long _last;

    public long Next() => ++_last;
}

/// <summary>The fields that stand in every payload: who, when, which frame.</summary>
internal sealed class Envelope(SinkContext context, TimeProvider time)
{
    private readonly JsonEncodedText _session = JsonEncodedText.Encode(context.Session);

    /// <summary>Of the model: with <c>vis</c> results are tracks, else segments.</summary>
    public ModelTask Task => Model.Task;

    public SinkModel Model => context.Model;

    public LabelTable Labels { get; } = new(context.Model);

    public void WriteIdentity(Utf8JsonWriter w, JsonEncodedText schema, string? epoch, long seq, string camera)
    {
        w.WriteString("schema"u8, schema);
        w.WriteString("session"u8, _session);
        if (epoch is not null) w.WriteString("epoch"u8, epoch);
        w.WriteNumber("seq"u8, seq);
        w.WriteString("camera"u8, camera);
    }

    /// <summary>Everything about the frame and its way here.</summary>
    public void WriteFrame(Utf8JsonWriter w, FrameInfo frame, StageLatency? latency, Moment published)
    {
        WriteMediaTime(w, frame);
        w.Clock(frame.Capture);
        w.Stamp("received"u8, frame.Received);
        w.Stamp("published"u8, published.Utc);
        w.WriteStartObject("latency_ms"u8);
        w.WriteNumber("total"u8, JsonText.Thousandths(Total(frame, published).TotalMilliseconds));
        if (CaptureToPublish(frame, published) is { } since)
            w.WriteNumber("capture_to_publish"u8, JsonText.Thousandths(since.TotalMilliseconds));
        if (latency?.Queue is { } queue) w.WriteNumber("queue"u8, JsonText.Thousandths(queue));
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

    /// <summary>From the decoded frame to the hand-over, on the monotonic clock.</summary>
    public TimeSpan Total(FrameInfo frame, Moment published) =>
        time.GetElapsedTime(frame.ReceivedTicks, published.Ticks);

    /// <summary>From the capture to the hand-over; null without a synchronised clock.
    /// No later step of the wall clock changes it.</summary>
    public TimeSpan? CaptureToPublish(FrameInfo frame, Moment published)
        => frame.Capture.Synced ? frame.Received - frame.Capture.Stamp + Total(frame, published) : null;
}
