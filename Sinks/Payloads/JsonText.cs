using System.Text.Encodings.Web;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>How the payloads write what they have in common. Pixels have one decimal, scores and times three.</summary>
internal static class JsonText
{
    // Payloads go to programs, not into HTML: only what JSON asks for is escaped.
    public static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    public static readonly JsonEncodedText Unknown = JsonEncodedText.Encode("unknown");

    /// <summary>The schemas are tested; checking every write again would only cost time.</summary>
    public static Utf8JsonWriter Writer(System.Buffers.IBufferWriter<byte> target)
        => new(target, new JsonWriterOptions { Encoder = Encoder, SkipValidation = true });

    /// <summary><c>{epoch}-{number}</c>.</summary>
    public static void TrackId(this Utf8JsonWriter w, ReadOnlySpan<byte> name, string epoch, long number)
    {
        w.WritePropertyName(name);
        w.TrackIdValue(epoch, number);
    }

    public static void TrackIdValue(this Utf8JsonWriter w, string epoch, long number)
    {
        var id = new Utf8Builder(stackalloc byte[128]);
        id.Add(epoch);
        id.Add('-');
        id.Add(number);
        w.WriteStringValue(id.Written);
    }

    /// <summary><c>{"sec":…,"nsec":…}</c>, the shape of ROS 2:
    /// an int64 of nanoseconds does not survive JavaScript.</summary>
    public static void Stamp(this Utf8JsonWriter w, ReadOnlySpan<byte> name, DateTimeOffset time)
    {
        w.WriteStartObject(name);
        w.WriteNumber("sec"u8, time.ToUnixTimeSeconds());
        w.WriteNumber("nsec"u8, time.UtcTicks % TimeSpan.TicksPerSecond * 100);
        w.WriteEndObject();
    }

    public static void Timebase(this Utf8JsonWriter w, Timebase timebase)
    {
        var text = new Utf8Builder(stackalloc byte[24]);
        text.Add(timebase.Numerator);
        text.Add('/');
        text.Add(timebase.Denominator);
        w.WriteString("timebase"u8, text.Written);
    }

    public static void Clock(this Utf8JsonWriter w, CaptureTime capture)
    {
        w.WriteStartObject("clock"u8);
        w.WriteString("source"u8, WireName<ClockSource>.Json(capture.Source));
        w.WriteNumber("offset_ms"u8, Thousandths(capture.OffsetMs));
        if (capture.ErrorMs is { } error) w.WriteNumber("error_ms"u8, Thousandths(error));
        else w.WriteNull("error_ms"u8);
        w.WriteBoolean("synced"u8, capture.Synced);
        w.WriteEndObject();
    }

    /// <summary><c>[x,y,w,h]</c>. Edges are rounded, not sizes, so that a clipped box stays inside the frame.</summary>
    public static void Box(this Utf8JsonWriter w, Box box)
    {
        double x = Tenths(box.X), y = Tenths(box.Y);
        w.WriteStartArray("bbox"u8);
        w.WriteNumberValue(x);
        w.WriteNumberValue(y);
        w.WriteNumberValue(Tenths(Tenths((double)box.X + box.Width) - x));
        w.WriteNumberValue(Tenths(Tenths((double)box.Y + box.Height) - y));
        w.WriteEndArray();
    }

    public static void Contour(this Utf8JsonWriter w, Contour contour)
    {
        w.WriteStartArray("contour"u8);
        foreach (var coordinate in contour.Points) w.WriteNumberValue(Tenths(coordinate));
        w.WriteEndArray();
    }

    /// <summary>COCO's uncompressed form: <c>{"size":[h,w],"counts":[…]}</c>.</summary>
    public static void Mask(this Utf8JsonWriter w, RunLengthMask mask)
    {
        w.WriteStartObject("mask"u8);
        w.WriteStartArray("size"u8);
        w.WriteNumberValue(mask.Height);
        w.WriteNumberValue(mask.Width);
        w.WriteEndArray();
        w.WriteStartArray("counts"u8);
        foreach (var count in mask.Counts) w.WriteNumberValue(count);
        w.WriteEndArray();
        w.WriteEndObject();
    }

    public static void Text(this Utf8JsonWriter w, ReadOnlySpan<byte> name, string? text)
    {
        if (text is null) w.WriteNull(name);
        else w.WriteString(name, text);
    }

    /// <summary>Where the mask is: <c>{camera}/{epoch}/{frame_id}/{number}</c>,
    /// the number that the mask topic has for it.</summary>
    public static void MaskRef(this Utf8JsonWriter w, ProvisionalResult result, long number)
    {
        var text = new Utf8Builder(stackalloc byte[256]);
        text.Add(result.Camera);
        text.Add('/');
        text.Add(result.Epoch);
        text.Add('/');
        text.Add(result.Frame.FrameId);
        text.Add('/');
        text.Add(number);
        w.WriteString("mask_ref"u8, text.Written);
    }

    /// <summary>What tells a segment: its number, whether it is a thing, and the track it belongs to.</summary>
    public static void Segment(this Utf8JsonWriter w, string epoch, int classId, long? track, LabelTable labels)
    {
        w.WriteNumber("id"u8, SegmentIds.Of(classId, track));
        w.WriteString("kind"u8, labels.IsThing(classId) ? "thing"u8 : "stuff"u8);
        if (track is { } number) w.TrackId("track"u8, epoch, number);
    }

    /// <summary>Size, meaning of the values, and runs of a map, inside an object.</summary>
    public static void MapContent(this Utf8JsonWriter w, SegmentMap map)
    {
        w.WriteStartArray("size"u8);
        w.WriteNumberValue(map.Height);
        w.WriteNumberValue(map.Width);
        w.WriteEndArray();
        w.WriteStartArray("ids"u8);
        foreach (var entry in map.Entries)
        {
            w.WriteStartArray();
            w.WriteNumberValue(entry.Value);
            w.WriteNumberValue(SegmentIds.Of(entry.ClassId, entry.Track));
            w.WriteEndArray();
        }

        w.WriteEndArray();
        w.WriteStartArray("runs"u8);
        foreach (var value in map.Runs) w.WriteNumberValue(value);
        w.WriteEndArray();
    }

    public static double Tenths(double value) => Math.Round(Finite(value), 1);

    public static double Thousandths(double value) => Math.Round(Finite(value), 3);

    // JSON has no NaN, and one bad number must not cost the message.
    private static double Finite(double value) => double.IsFinite(value) ? value : 0;
}
