using System.Text.Json;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>Fields of one entry; what is wrong is said with file, entry and field.</summary>
internal readonly struct EntryReader(string file, string entry, JsonElement json)
{
    /// <summary>Its place in the file, for messages.</summary>
    public string Entry => entry;

    public EvaluationException Wrong(string field, string found, string expected) =>
        new($"{file}: {entry}: {field}: found {found}, expected {expected}.");

    public JsonElement Value(string field, string expected)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw new EvaluationException($"{file}: {entry}: found {Text(json)}, expected an object.");
        return json.TryGetProperty(field, out var value) ? value : throw Wrong(field, "nothing", expected);
    }

    public bool Has(string field) => json.ValueKind == JsonValueKind.Object && json.TryGetProperty(field, out var value)
        && value.ValueKind != JsonValueKind.Null;

    public long Integer(string field, long min, long max)
    {
        var value = Value(field, "an integer");
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= min
            && number <= max
            ? number
            : throw Wrong(field, Text(value), $"an integer from {min} to {max}");
    }

    public int Int(string field, int min, int max) => (int)Integer(field, min, max);

    public double Number(string field)
    {
        var value = Value(field, "a number");
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw Wrong(field, Text(value), "a number");
    }

    public string String(string field)
    {
        var value = Value(field, "text");
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(field, Text(value), "text");
    }

    /// <summary>0, 1, true or false; false when it is not there.</summary>
    public bool Flag(string field)
    {
        if (!Has(field)) return false;
        var value = Value(field, "0 or 1");
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.Number when value.TryGetInt32(out var number) && number is 0 or 1 => value.GetInt32() == 1,
            _ => throw Wrong(field, Text(value), "0 or 1"),
        };
    }

    public JsonElement List(string field)
    {
        var value = Value(field, "a list");
        return value.ValueKind == JsonValueKind.Array ? value : throw Wrong(field, Text(value), "a list");
    }

    /// <summary>One mask, or null, a frame: polygons, run lengths as a list of counts, or compressed.</summary>
    public RunLengthMask?[] Masks(string field, int width, int height, int frames)
    {
        var list = List(field);
        if (list.GetArrayLength() != frames)
            throw Wrong(field, $"{list.GetArrayLength()} entries", $"one for each of the video's {frames} frames");
        var masks = new RunLengthMask?[frames];
        foreach (var (t, item) in list.EnumerateArray().Index())
        {
            try
            {
                masks[t] = Mask(item, width, height);
            }
            catch (FormatException e)
            {
                throw new EvaluationException($"{file}: {entry}: {field}[{t}]: {e.Message}.", e);
            }
        }

        return masks;
    }

    private static RunLengthMask? Mask(JsonElement item, int width, int height)
    {
        if (item.ValueKind == JsonValueKind.Null) return null;
        if (item.ValueKind == JsonValueKind.Array)
        {
            // An object of no parts is one that is not seen.
            return item.GetArrayLength() == 0
                ? null
                : PolygonMask.Rasterize(width, height, [.. item.EnumerateArray().Select(Corners)]);
        }

        if (item.ValueKind != JsonValueKind.Object)
            throw new FormatException($"found {Text(item)}, expected null, polygons or run lengths");
        if (!item.TryGetProperty("size", out var size) || size.ValueKind != JsonValueKind.Array
            || size.GetArrayLength() != 2
            || !Whole(size[0], out var rows) || !Whole(size[1], out var columns))
            throw new FormatException("size: expected [height, width]");
        if (rows != height || columns != width)
            throw new FormatException($"size: found [{rows}, {columns}], the video's frames are [{height}, {width}]");
        if (!item.TryGetProperty("counts", out var counts))
            throw new FormatException("counts: found nothing, expected run lengths");
        return counts.ValueKind switch
        {
            JsonValueKind.String => CompressedRuns.Decode(width, height, counts.GetString()),
            JsonValueKind.Array => RunLengths.FromCounts(width, height, Counts(counts)),
            _ => throw new FormatException($"counts: found {Text(counts)}, expected text or a list"),
        };
    }

    private static int[] Counts(JsonElement list)
    {
        var counts = new int[list.GetArrayLength()];
        foreach (var (i, item) in list.EnumerateArray().Index())
            if (!Whole(item, out counts[i]))
                throw new FormatException($"counts[{i}]: found {Text(item)}, expected an integer");
        return counts;
    }

    private static double[] Corners(JsonElement part)
    {
        if (part.ValueKind != JsonValueKind.Array)
            throw new FormatException($"found a polygon {Text(part)}, expected a list of coordinates");
        return [.. part.EnumerateArray()
            .Select(c => c.ValueKind == JsonValueKind.Number && c.TryGetDouble(out var value)
                ? value
                : throw new FormatException($"found the coordinate {Text(c)}, expected a number"))];
    }

    private static bool Whole(JsonElement value, out int number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out number);
    }

    private static string Text(JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.Array or JsonValueKind.Object)
            return value.ValueKind == JsonValueKind.Array ? "a list" : "an object";
        var text = value.GetRawText();
        return text.Length > 60 ? text[..60] + "…" : text;
    }
}
