using System.Text.Json;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>What a message says beside the result, and how large it may be.</summary>
/// <param name="Budget">Bytes a payload may have.</param>
/// <param name="MaskRefs">The records name their masks on the mask topic.</param>
/// <param name="Masks">The records carry their masks.</param>
internal readonly record struct EncodeOptions(int Budget, bool MaskRefs = false, bool Masks = false);

/// <summary>
/// Provisional results as JSON, in as many parts as the budget asks for: tracks (<c>dvis.tracks/1.0</c>), or with
/// panoptic and semantic models segments (<c>dvis.segments/1.0</c>), which are the tracks and then the classes beside
/// them. Reused; one thread.
/// </summary>
internal sealed class ProvisionalEncoder(Envelope envelope) : IDisposable
{
    private readonly bool _segments = envelope.Task != ModelTask.Vis;
    private readonly JsonEncodedText _schema =
        JsonEncodedText.Encode(envelope.Task == ModelTask.Vis ? Schemas.Tracks : Schemas.Segments);
    private readonly RecordBuffer _records = new();
    private readonly PartPlan _plan = new();
    private readonly PayloadBuffer _payload = new();

    /// <summary>Calls <paramref name="emit"/> with each part; the memory is valid until it returns.</summary>
    /// <returns>Records that were larger than the budget and left out.</returns>
    public int Encode(ProvisionalResult result, Sequence sequence, Moment published, EncodeOptions options,
        Action<ReadOnlyMemory<byte>> emit)
    {
        _records.Clear();
        _plan.Clear();
        // Measured with the largest numbers that can stand there, so that the real one is never larger.
        Write(result, long.MaxValue, published, PartPlan.MaxParts, PartPlan.MaxParts, options);
        var room = options.Budget - _payload.Written.Length;
        foreach (var track in result.Tracks)
        {
            var length = EncodeTrack(result, track, options, track.Contour);
            if (length > room && track.Contour is not null)
            {
                _records.RemoveLast();
                length = EncodeTrack(result, track, options, null);
            }

            Plan(length);
        }

        foreach (var region in result.Scene?.Regions ?? []) Plan(EncodeRegion(result, region, options));
        _plan.Make(room);
        for (var part = 0; part < _plan.Parts; part++)
        {
            Write(result, sequence.Next(), published, part + 1, _plan.Parts, options);
            emit(_payload.Written);
        }

        return _plan.Lost;
    }

    public void Dispose()
    {
        _records.Dispose();
        _payload.Dispose();
    }

    private void Plan(int length)
    {
        _plan.AddGroup(0);
        _plan.AddItem(length);
    }

    private void Write(ProvisionalResult result, long seq, Moment published, int part, int parts, EncodeOptions options)
    {
        var w = _payload.Begin();
        w.WriteStartObject();
        envelope.WriteIdentity(w, _schema, result.Epoch, seq, result.Camera);
        envelope.WriteFrame(w, result.Frame, result.Latency, published);
        w.WriteString("stage"u8, "provisional"u8);
        if (_segments) w.WriteString("task"u8, WireName<ModelTask>.Json(envelope.Task));
        w.WriteNumber("final_through_frame"u8, result.FinalThroughFrame);
        w.WriteNumber("dropped_since_last"u8, result.DroppedSinceLast);
        w.WriteString("labels_id"u8, envelope.Labels.Id);
        w.WriteNumber("part"u8, part);
        w.WriteNumber("parts"u8, parts);
        w.WriteStartArray(_segments ? "segments"u8 : "tracks"u8);
        foreach (var slice in _plan.Slices)
            if (slice.Part == part - 1) w.WriteRawValue(_records[slice.Group], skipInputValidation: true);
        w.WriteEndArray();
        if (options.Masks && result.Scene?.Map is { } map)
        {
            w.WriteStartObject("map"u8);
            w.MapContent(map);
            w.WriteEndObject();
        }

        w.WriteEndObject();
        _payload.End();
    }

    private int EncodeTrack(ProvisionalResult result, TrackObservation track, EncodeOptions options, Contour? contour)
    {
        var w = Begin(result, track.ClassId, track.Number);
        w.WriteNumber("score"u8, JsonText.Thousandths(track.Score));
        w.WriteString("state"u8, WireName<TrackState>.Json(track.State));
        w.WriteNumber("age_frames"u8, track.AgeFrames);
        Measures(w, track.Box, track.AreaPx, track.CentroidX, track.CentroidY, track.Truncated);
        Mask(w, result, _segments ? SegmentIds.Of(track.ClassId, track.Number) : track.Number, track.Mask, options);
        if (contour is not null) w.Contour(contour);
        w.WriteEndObject();
        return _records.End();
    }

    private int EncodeRegion(ProvisionalResult result, Region region, EncodeOptions options)
    {
        var w = Begin(result, region.ClassId, null);
        if (envelope.Task != ModelTask.Vss) w.WriteNumber("score"u8, JsonText.Thousandths(region.Score));
        Measures(w, region.Box, region.AreaPx, region.CentroidX, region.CentroidY, region.Truncated);
        Mask(w, result, SegmentIds.Of(region.ClassId, null), region.Mask, options);
        w.WriteEndObject();
        return _records.End();
    }

    private Utf8JsonWriter Begin(ProvisionalResult result, int classId, long? track)
    {
        var w = _records.Begin();
        w.WriteStartObject();
        if (_segments) w.Segment(result.Epoch, classId, track, envelope.Labels);
        else w.TrackId("id"u8, result.Epoch, track!.Value);
        w.WriteNumber("class_id"u8, classId);
        w.WriteString("label"u8, envelope.Labels.Name(classId));
        return w;
    }

    private static void Measures(Utf8JsonWriter w, Box box, double area, float x, float y, bool truncated)
    {
        w.Box(box);
        w.WriteNumber("area_px"u8, JsonText.Tenths(area));
        w.WriteStartArray("centroid"u8);
        w.WriteNumberValue(JsonText.Tenths(x));
        w.WriteNumberValue(JsonText.Tenths(y));
        w.WriteEndArray();
        w.WriteBoolean("truncated"u8, truncated);
    }

    private static void Mask(Utf8JsonWriter w, ProvisionalResult result, long id, RunLengthMask? mask,
        EncodeOptions options)
    {
        if (mask is null) return;
        if (options.MaskRefs) w.MaskRef(result, id);
        if (options.Masks) w.Mask(mask);
    }
}
