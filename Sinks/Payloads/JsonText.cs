using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>JSON forms that payloads share. Pixels have one decimal, scores and times three.</summary>
internal static class JsonText
{
    // Payloads go to programs, not into HTML: only what JSON requires is escaped.
    public static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    /// <summary>Serialisation of rare messages; what is null is left out.</summary>
    public static JsonSerializerOptions Serializer { get; } = new()
    {
        Encoder = Encoder,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static void TrackId(this Utf8JsonWriter w, ReadOnlySpan<byte> name, string epoch, long number)
    {
        w.WritePropertyName(name);
        w.TrackIdValue(epoch, number);
    }

    /// <summary>Writes <c>{epoch}-{number}</c>.</summary>
    public static void TrackIdValue(this Utf8JsonWriter w, string epoch, long number)
    {
        var text = new Utf8Builder(stackalloc byte[128]);
        text.Add(epoch);
        text.Add('-');
        text.Add(number);
        w.WriteStringValue(text.Written);
    }

    /// <summary>Writes <c>{"sec":…,"nsec":…}</c>, the shape of ROS 2: JavaScript cannot hold an int64 of
    /// nanoseconds.</summary>
    public static void Stamp(this Utf8JsonWriter w, ReadOnlySpan<byte> name, DateTimeOffset time)
    {
        w.WriteStartObject(name);
        w.WriteNumber("sec"u8, time.ToUnixTimeSeconds());
        w.WriteNumber("nsec"u8, Nanoseconds(time));
        w.WriteEndObject();
    }

    /// <summary>Nanoseconds since the last full second.</summary>
    public static long Nanoseconds(DateTimeOffset time) => time.UtcTicks % TimeSpan.TicksPerSecond * 100;

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

    /// <summary>Writes <c>[x,y,w,h]</c>. Edges are rounded, not sizes: a clipped box stays inside the frame.</summary>
    public static void Box(this Utf8JsonWriter w, Box box)
    {
        double x = Tenths(box.X), y = Tenths(box.Y);
        w.Pixels("bbox"u8, x, y, Tenths((double)box.X + box.Width) - x, Tenths((double)box.Y + box.Height) - y);
    }

    public static void Contour(this Utf8JsonWriter w, Contour contour)
    {
        w.WriteStartArray("contour"u8);
        foreach (var coordinate in contour.Points) w.WriteNumberValue(Tenths(coordinate));
        w.WriteEndArray();
    }

    /// <summary>Writes COCO's uncompressed form: <c>{"size":[h,w],"counts":[…]}</c>.</summary>
    public static void Mask(this Utf8JsonWriter w, RunLengthMask mask)
    {
        w.WriteStartObject("mask"u8);
        w.Integers("size"u8, mask.Height, mask.Width);
        w.Integers("counts"u8, mask.Counts);
        w.WriteEndObject();
    }

    /// <summary>Writes size, meaning of the values and runs of a map into an open object.</summary>
    public static void MapContent(this Utf8JsonWriter w, SegmentMap map)
    {
        w.Integers("size"u8, map.Height, map.Width);
        w.WriteStartArray("ids"u8);
        foreach (var entry in map.Entries)
        {
            w.WriteStartArray();
            w.WriteNumberValue(entry.Value);
            w.WriteNumberValue(SegmentIds.Of(entry.ClassId, entry.Track));
            w.WriteEndArray();
        }

        w.WriteEndArray();
        w.Integers("runs"u8, map.Runs);
    }

    public static void Integers(this Utf8JsonWriter w, ReadOnlySpan<byte> name, params ReadOnlySpan<int> values)
    {
        w.WriteStartArray(name);
        foreach (var value in values) w.WriteNumberValue(value);
        w.WriteEndArray();
    }

    public static void Pixels(this Utf8JsonWriter w, ReadOnlySpan<byte> name, params ReadOnlySpan<double> values)
    {
        w.WriteStartArray(name);
        foreach (var value in values) w.WriteNumberValue(Tenths(value));
        w.WriteEndArray();
    }

    public static double Tenths(double value) => Math.Round(Finite(value), 1);

    public static double Thousandths(double value) => Math.Round(Finite(value), 3);

    // JSON has no NaN, and one bad number must not cost the message.
    private static double Finite(double value) => double.IsFinite(value) ? value : 0;
}
