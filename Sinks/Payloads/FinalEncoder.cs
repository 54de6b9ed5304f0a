using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Encoder of final results (<c>dvis.final/1.0</c>, <c>dvis.segments_final/1.0</c>). Parts are split between
/// tracks; a track larger than a part is split between its frames. Clock and identity are those of the window's last
/// frame.</summary>
internal sealed class FinalEncoder(Envelope envelope)
    : ResultEncoder<FinalResult>(envelope, Schemas.Final, Schemas.SegmentsFinal)
{
    protected override (string Epoch, FrameInfo Frame, StageLatency Latency) Origin(FinalResult result)
        => (result.Epoch, result.Frames[^1], result.Latency);

    // Groups of the plan: the tracks and the classes beside them, then what is retracted, then the identity changes.
    protected override void AddRecords(FinalResult result, int room, EncodeOptions options)
    {
        for (var i = 0; i < Groups(result); i++) AddTrack(result, i, room, options);
        foreach (var number in result.Retracted)
        {
            if (IsSegments) Records.Begin().WriteNumberValue(SegmentIds.Of(0, number));
            else Records.Begin().TrackIdValue(result.Epoch, number);
            Plan.AddSingle(Records.End().Length);
        }

        foreach (var classId in result.Scene?.Retracted ?? [])
        {
            Records.Begin().WriteNumberValue(SegmentIds.Of(classId, null));
            Plan.AddSingle(Records.End().Length);
        }

        foreach (var change in result.Identity)
        {
            WriteIdentityChange(Records.Begin(), result.Epoch, change);
            Plan.AddSingle(Records.End().Length);
        }
    }

    protected override void WriteHead(Utf8JsonWriter w, FinalResult result)
    {
        w.WriteStartObject("window"u8);
        w.WriteNumber("first_frame"u8, result.FirstFrame);
        w.WriteNumber("last_frame"u8, result.LastFrame);
        w.WriteNumber("first_pts"u8, result.Frames[0].Pts);
        w.WriteNumber("last_pts"u8, result.Frames[^1].Pts);
        w.WriteEndObject();
        w.WriteString("result"u8, WireName<FinalKind>.Json(result.Kind));
        if (result.Reason == FinalReason.None) w.WriteNull("reason"u8);
        else w.WriteString("reason"u8, WireName<FinalReason>.Json(result.Reason));
        w.WriteStartObject("supersedes"u8);
        w.WriteString("epoch"u8, result.Epoch);
        w.WriteNumber("first_frame"u8, result.FirstFrame);
        w.WriteNumber("last_frame"u8, result.LastFrame);
        w.WriteEndObject();
    }

    protected override void WriteRecords(Utf8JsonWriter w, FinalResult result, int part, EncodeOptions options)
    {
        var groups = Groups(result);
        var singles = groups + result.Retracted.Length + (result.Scene?.Retracted.Length ?? 0);
        w.WriteStartArray(IsSegments ? "segments"u8 : "tracks"u8);
        foreach (var slice in Plan.Slices)
            if (slice.Part == part && slice.Group < groups) WriteTrack(w, result, slice.Group, slice);
        w.WriteEndArray();
        WriteSingles(w, "retracted"u8, part, groups, singles);
        WriteSingles(w, "identity"u8, part, singles, int.MaxValue);
        if (options.Masks && result.Scene is { Maps.Length: > 0 } scene) WriteMaps(w, result, scene);
    }

    private static int Groups(FinalResult result) => result.Tracks.Length + (result.Scene?.Regions.Length ?? 0);

    private static FinalTrack Group(FinalResult result, int group)
        => group < result.Tracks.Length ? result.Tracks[group] : result.Scene!.Regions[group - result.Tracks.Length];

    private void AddTrack(FinalResult result, int group, int room, EncodeOptions options)
    {
        WriteTrack(Records.Begin(), result, group, default);
        var head = Records.End().Length;
        Records.RemoveLast();
        Plan.AddGroup(head);
        foreach (var observation in Group(result, group).Frames)
        {
            var length = EncodeObservation(observation, options, observation.Contour);
            if (head + length + 2 > room && observation.Contour is not null)
            {
                Records.RemoveLast();
                length = EncodeObservation(observation, options, null);
            }

            Plan.AddItem(length);
        }
    }

    private void WriteSingles(Utf8JsonWriter w, ReadOnlySpan<byte> name, int part, int from, int to)
    {
        w.WriteStartArray(name);
        foreach (var slice in Plan.Slices)
            if (slice.Part == part && slice.Group >= from && slice.Group < to) WriteItems(w, slice);
        w.WriteEndArray();
    }

    private void WriteTrack(Utf8JsonWriter w, FinalResult result, int group, PartPlan.Slice slice)
    {
        var track = Group(result, group);
        BeginObject(w, result.Epoch, track.ClassId, group < result.Tracks.Length ? track.Number : null);
        if (Task != ModelTask.Vss) w.WriteNumber("score"u8, JsonText.Thousandths(track.Score));
        if (track.ProvisionalClassId is { } provisional) w.WriteNumber("provisional_class_id"u8, provisional);
        w.WriteStartArray("frames"u8);
        WriteItems(w, slice);
        w.WriteEndArray();
        w.WriteEndObject();
    }

    private int EncodeObservation(FinalObservation observation, EncodeOptions options, Contour? contour)
    {
        var w = Records.Begin();
        w.WriteStartObject();
        w.WriteNumber("f"u8, observation.FrameId);
        if (observation.Visible) w.Box(observation.Box);
        if (IsSegments && observation.Visible) w.WriteNumber("area_px"u8, JsonText.Tenths(observation.AreaPx));
        if (Task != ModelTask.Vss) w.WriteNumber("score"u8, JsonText.Thousandths(observation.Score));
        w.WriteBoolean("visible"u8, observation.Visible);
        if (options.Masks && observation is { Visible: true, Mask: { } mask }) w.Mask(mask);
        if (contour is not null && observation.Visible) w.Contour(contour);
        w.WriteEndObject();
        return Records.End().Length;
    }

    private static void WriteMaps(Utf8JsonWriter w, FinalResult result, SceneRevision scene)
    {
        w.WriteStartArray("maps"u8);
        for (var i = 0; i < scene.Maps.Length; i++)
        {
            w.WriteStartObject();
            w.WriteNumber("f"u8, result.Frames[i].FrameId);
            w.MapContent(scene.Maps[i]);
            w.WriteEndObject();
        }

        w.WriteEndArray();
    }

    private static void WriteIdentityChange(Utf8JsonWriter w, string epoch, IdentityChange change)
    {
        w.WriteStartObject();
        w.WriteString("op"u8, "merge"u8);
        w.WriteStartArray("from"u8);
        foreach (var number in change.From) w.TrackIdValue(epoch, number);
        w.WriteEndArray();
        w.TrackId("into"u8, epoch, change.Into);
        w.WriteNumber("at_frame"u8, change.AtFrame);
        w.WriteEndObject();
    }
}
