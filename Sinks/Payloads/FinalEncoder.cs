using System.Text.Json;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>
/// Final results as JSON: tracks (<c>dvis.final/1.0</c>), or with panoptic and semantic models segments
/// (<c>dvis.segments_final/1.0</c>), which are the tracks and then the classes beside them. Parts are split between
/// tracks, and between the frames of a track only where one alone is too large; such a track stands in several parts,
/// each with some of its frames. Clock and identity fields are those of the window's last frame. Reused; one thread.
/// </summary>
internal sealed class FinalEncoder(Envelope envelope) : IDisposable
{
    private readonly bool _segments = envelope.Task != ModelTask.Vis;
    private readonly JsonEncodedText _schema =
        JsonEncodedText.Encode(envelope.Task == ModelTask.Vis ? Schemas.Final : Schemas.SegmentsFinal);
    private readonly RecordBuffer _records = new();
    private readonly List<int> _firstRecord = [];
    private readonly PartPlan _plan = new();
    private readonly PayloadBuffer _payload = new();
    private readonly PayloadBuffer _head = new();

    /// <inheritdoc cref="ProvisionalEncoder.Encode"/>
    /// <returns>Records that were larger than the budget and left out.</returns>
    public int Encode(FinalResult result, Sequence sequence, Moment published, EncodeOptions options,
        Action<ReadOnlyMemory<byte>> emit)
    {
        _records.Clear();
        _firstRecord.Clear();
        _plan.Clear();
        Write(result, long.MaxValue, published, PartPlan.MaxParts, PartPlan.MaxParts, options);
        var room = options.Budget - _payload.Written.Length;
        for (var i = 0; i < Groups(result); i++) AddTrack(result, i, room, options);
        foreach (var number in result.Retracted)
        {
            if (_segments) _records.Begin().WriteNumberValue(SegmentIds.Of(0, number));
            else _records.Begin().TrackIdValue(result.Epoch, number);
            AddSingle();
        }

        foreach (var classId in result.Scene?.Retracted ?? [])
        {
            _records.Begin().WriteNumberValue(SegmentIds.Of(classId, null));
            AddSingle();
        }

        foreach (var change in result.Identity)
        {
            WriteIdentityChange(_records.Begin(), result.Epoch, change);
            AddSingle();
        }

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
        _head.Dispose();
    }

    private static int Groups(FinalResult result) => result.Tracks.Length + (result.Scene?.Regions.Length ?? 0);

    private static int Retracted(FinalResult result) => result.Retracted.Length + (result.Scene?.Retracted.Length ?? 0);

    private static FinalTrack Group(FinalResult result, int group)
        => group < result.Tracks.Length ? result.Tracks[group] : result.Scene!.Regions[group - result.Tracks.Length];

    private void AddTrack(FinalResult result, int group, int room, EncodeOptions options)
    {
        var track = Group(result, group);
        var w = _head.Begin();
        WriteTrack(w, result, group, default);
        var head = _head.End().Length;
        _plan.AddGroup(head);
        _firstRecord.Add(_records.Count);
        foreach (var observation in track.Frames)
        {
            var length = EncodeObservation(observation, options, observation.Contour);
            if (head + length + 2 > room && observation.Contour is not null)
            {
                _records.RemoveLast();
                length = EncodeObservation(observation, options, null);
            }

            _plan.AddItem(length);
        }
    }

    private void AddSingle()
    {
        _firstRecord.Add(_records.Count);
        _plan.AddGroup(0);
        _plan.AddItem(_records.End());
    }

    private void Write(FinalResult result, long seq, Moment published, int part, int parts, EncodeOptions options)
    {
        var w = _payload.Begin();
        w.WriteStartObject();
        envelope.WriteIdentity(w, _schema, result.Epoch, seq, result.Camera);
        envelope.WriteFrame(w, result.Frames[^1], result.Latency, published);
        w.WriteString("stage"u8, "final"u8);
        if (_segments) w.WriteString("task"u8, WireName<ModelTask>.Json(envelope.Task));
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
        w.WriteString("labels_id"u8, envelope.Labels.Id);
        w.WriteNumber("part"u8, part);
        w.WriteNumber("parts"u8, parts);
        WriteArrays(w, result, part - 1);
        if (options.Masks && result.Scene is { Maps.Length: > 0 } scene) WriteMaps(w, result, scene);
        w.WriteEndObject();
        _payload.End();
    }

    // Groups are the tracks and the classes beside them, then the retracted, then the identity changes.
    private void WriteArrays(Utf8JsonWriter w, FinalResult result, int part)
    {
        var (groups, singles) = (Groups(result), Groups(result) + Retracted(result));
        w.WriteStartArray(_segments ? "segments"u8 : "tracks"u8);
        foreach (var slice in _plan.Slices)
            if (slice.Part == part && slice.Group < groups) WriteTrack(w, result, slice.Group, slice);
        w.WriteEndArray();
        w.WriteStartArray("retracted"u8);
        WriteSingles(w, part, groups, singles);
        w.WriteEndArray();
        w.WriteStartArray("identity"u8);
        WriteSingles(w, part, singles, int.MaxValue);
        w.WriteEndArray();
    }

    private void WriteSingles(Utf8JsonWriter w, int part, int from, int to)
    {
        foreach (var slice in _plan.Slices)
            if (slice.Part == part && slice.Group >= from && slice.Group < to)
                w.WriteRawValue(_records[_firstRecord[slice.Group]], skipInputValidation: true);
    }

    private void WriteTrack(Utf8JsonWriter w, FinalResult result, int group, PartPlan.Slice slice)
    {
        var track = Group(result, group);
        w.WriteStartObject();
        if (_segments)
            w.Segment(result.Epoch, track.ClassId, group < result.Tracks.Length ? track.Number : null, envelope.Labels);
        else w.TrackId("id"u8, result.Epoch, track.Number);
        w.WriteNumber("class_id"u8, track.ClassId);
        w.WriteString("label"u8, envelope.Labels.Name(track.ClassId));
        if (envelope.Task != ModelTask.Vss) w.WriteNumber("score"u8, JsonText.Thousandths(track.Score));
        if (track.ProvisionalClassId is { } provisional) w.WriteNumber("provisional_class_id"u8, provisional);
        w.WriteStartArray("frames"u8);
        for (var i = 0; i < slice.Items; i++)
            w.WriteRawValue(_records[_firstRecord[slice.Group] + slice.FirstItem + i], skipInputValidation: true);
        w.WriteEndArray();
        w.WriteEndObject();
    }

    private int EncodeObservation(FinalObservation observation, EncodeOptions options, Contour? contour)
    {
        var w = _records.Begin();
        w.WriteStartObject();
        w.WriteNumber("f"u8, observation.FrameId);
        if (observation.Visible) w.Box(observation.Box);
        if (_segments && observation.Visible) w.WriteNumber("area_px"u8, JsonText.Tenths(observation.AreaPx));
        if (envelope.Task != ModelTask.Vss) w.WriteNumber("score"u8, JsonText.Thousandths(observation.Score));
        w.WriteBoolean("visible"u8, observation.Visible);
        if (options.Masks && observation is { Visible: true, Mask: { } mask }) w.Mask(mask);
        if (contour is not null && observation.Visible) w.Contour(contour);
        w.WriteEndObject();
        return _records.End();
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
