using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Encoder of provisional results (<c>dvis.tracks/1.0</c>, <c>dvis.segments/1.0</c>).</summary>
internal sealed class ProvisionalEncoder(Envelope envelope)
    : ResultEncoder<ProvisionalResult>(envelope, Schemas.Tracks, Schemas.Segments)
{
    protected override (string Epoch, FrameInfo Frame, StageLatency Latency) Origin(ProvisionalResult result)
        => (result.Epoch, result.Frame, result.Latency);

    protected override void AddRecords(ProvisionalResult result, int room, EncodeOptions options)
    {
        foreach (var track in result.Tracks)
        {
            var length = EncodeTrack(result, track, options, track.Contour);
            if (length > room && track.Contour is not null)
            {
                Records.RemoveLast();
                length = EncodeTrack(result, track, options, null);
            }

            Plan.AddSingle(length);
        }

        foreach (var region in result.Scene?.Regions ?? []) Plan.AddSingle(EncodeRegion(result, region, options));
    }

    protected override void WriteHead(Utf8JsonWriter w, ProvisionalResult result)
    {
        w.WriteNumber("final_through_frame"u8, result.FinalThroughFrame);
        w.WriteNumber("dropped_since_last"u8, result.DroppedSinceLast);
    }

    protected override void WriteRecords(Utf8JsonWriter w, ProvisionalResult result, int part, EncodeOptions options)
    {
        w.WriteStartArray(IsSegments ? "segments"u8 : "tracks"u8);
        foreach (var slice in Plan.Slices)
            if (slice.Part == part) WriteItems(w, slice);
        w.WriteEndArray();
        if (!options.Masks || result.Scene?.Map is not { } map) return;
        w.WriteStartObject("map"u8);
        w.MapContent(map);
        w.WriteEndObject();
    }

    private int EncodeTrack(ProvisionalResult result, TrackObservation track, EncodeOptions options, Contour? contour)
    {
        var w = Records.Begin();
        BeginObject(w, result.Epoch, track.ClassId, track.Number);
        w.WriteNumber("score"u8, JsonText.Thousandths(track.Score));
        w.WriteString("state"u8, WireName<TrackState>.Json(track.State));
        w.WriteNumber("age_frames"u8, track.AgeFrames);
        WriteMeasures(w, track.Box, track.AreaPx, track.CentroidX, track.CentroidY, track.Truncated);
        WriteMask(w, result, track.ClassId, track.Number, track.Mask, options);
        if (contour is not null) w.Contour(contour);
        w.WriteEndObject();
        return Records.End().Length;
    }

    private int EncodeRegion(ProvisionalResult result, Region region, EncodeOptions options)
    {
        var w = Records.Begin();
        BeginObject(w, result.Epoch, region.ClassId, null);
        if (Task != ModelTask.Vss) w.WriteNumber("score"u8, JsonText.Thousandths(region.Score));
        WriteMeasures(w, region.Box, region.AreaPx, region.CentroidX, region.CentroidY, region.Truncated);
        WriteMask(w, result, region.ClassId, null, region.Mask, options);
        w.WriteEndObject();
        return Records.End().Length;
    }

    private static void WriteMeasures(Utf8JsonWriter w, Box box, double area, float x, float y, bool truncated)
    {
        w.Box(box);
        w.WriteNumber("area_px"u8, JsonText.Tenths(area));
        w.Pixels("centroid"u8, x, y);
        w.WriteBoolean("truncated"u8, truncated);
    }

    private void WriteMask(Utf8JsonWriter w, ProvisionalResult result, int classId, long? track, RunLengthMask? mask,
        EncodeOptions options)
    {
        if (mask is null) return;
        if (options.MaskRefs)
        {
            // The number of the mask on the mask topic.
            var number = IsSegments ? SegmentIds.Of(classId, track) : track!.Value;
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

        if (options.Masks) w.Mask(mask);
    }
}
