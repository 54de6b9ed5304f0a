using System.Text.Json;
using Dvis.Streaming.Pipeline.Publishing;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>
/// Final results as JSON (<c>dvis.final/1.0</c>). Parts are split between tracks, and between the frames of a track only where one alone
/// is too large; such a track stands in several parts, each with some of its frames. Clock and identity fields are those of the
/// window's last frame. Reused; one thread.
/// </summary>
internal sealed class FinalEncoder(Envelope envelope) : IDisposable
{
    private static readonly JsonEncodedText Schema = JsonEncodedText.Encode(Schemas.Final);
    private readonly RecordBuffer _records = new();
    private readonly List<int> _firstRecord = [];
    private readonly PartPlan _plan = new();
    private readonly PayloadBuffer _payload = new();
    private readonly PayloadBuffer _head = new();

    /// <inheritdoc cref="TracksEncoder.Encode"/>
    /// <returns>Records that were larger than the budget and left out.</returns>
    public int Encode(FinalResult result, Sequence sequence, Moment published, EncodeOptions options, Action<ReadOnlyMemory<byte>> emit)
    {
        _records.Clear();
        _firstRecord.Clear();
        _plan.Clear();
        Write(result, long.MaxValue, published, PartPlan.MaxParts, PartPlan.MaxParts);
        var room = options.Budget - _payload.Written.Length;
        foreach (var track in result.Tracks) AddTrack(result.Epoch, track, room, options);
        foreach (var number in result.Retracted)
        {
            _records.Begin().TrackIdValue(result.Epoch, number);
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
            Write(result, sequence.Next(), published, part + 1, _plan.Parts);
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

    private void AddTrack(string epoch, FinalTrack track, int room, EncodeOptions options)
    {
        var w = _head.Begin();
        WriteTrack(w, epoch, track, default);
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

    private void Write(FinalResult result, long seq, Moment published, int part, int parts)
    {
        var w = _payload.Begin();
        w.WriteStartObject();
        envelope.WriteIdentity(w, Schema, result.Epoch, seq, result.Camera);
        envelope.WriteFrame(w, result.Frames[^1], result.Latency, published);
        w.WriteString("stage"u8, "final"u8);
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
        w.WriteEndObject();
        _payload.End();
    }

    // Groups are the tracks, then the retracted, then the identity changes.
    private void WriteArrays(Utf8JsonWriter w, FinalResult result, int part)
    {
        w.WriteStartArray("tracks"u8);
        foreach (var slice in _plan.Slices)
            if (slice.Part == part && slice.Group < result.Tracks.Length) WriteTrack(w, result.Epoch, result.Tracks[slice.Group], slice);
        w.WriteEndArray();
        w.WriteStartArray("retracted"u8);
        WriteSingles(w, part, result.Tracks.Length, result.Tracks.Length + result.Retracted.Length);
        w.WriteEndArray();
        w.WriteStartArray("identity"u8);
        WriteSingles(w, part, result.Tracks.Length + result.Retracted.Length, int.MaxValue);
        w.WriteEndArray();
    }

    private void WriteSingles(Utf8JsonWriter w, int part, int from, int to)
    {
        foreach (var slice in _plan.Slices)
            if (slice.Part == part && slice.Group >= from && slice.Group < to)
                w.WriteRawValue(_records[_firstRecord[slice.Group]], skipInputValidation: true);
    }

    private void WriteTrack(Utf8JsonWriter w, string epoch, FinalTrack track, PartPlan.Slice slice)
    {
        w.WriteStartObject();
        w.TrackId("id"u8, epoch, track.Number);
        w.WriteNumber("class_id"u8, track.ClassId);
        w.WriteString("label"u8, envelope.Labels.Name(track.ClassId));
        w.WriteNumber("score"u8, JsonText.Thousandths(track.Score));
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
        w.WriteNumber("score"u8, JsonText.Thousandths(observation.Score));
        w.WriteBoolean("visible"u8, observation.Visible);
        if (options.Masks && observation is { Visible: true, Mask: { } mask }) w.Mask(mask);
        if (contour is not null && observation.Visible) w.Contour(contour);
        w.WriteEndObject();
        return _records.End();
    }

    private static void WriteIdentityChange(Utf8JsonWriter w, string epoch, IdentityChange change)
    {
        w.WriteStartObject();
        w.WriteString("op"u8, WireName<IdentityOp>.Json(change.Op));
        w.WriteStartArray("from"u8);
        foreach (var number in change.From) w.TrackIdValue(epoch, number);
        w.WriteEndArray();
        w.TrackId("into"u8, epoch, change.Into);
        w.WriteNumber("at_frame"u8, change.AtFrame);
        w.WriteEndObject();
    }
}
