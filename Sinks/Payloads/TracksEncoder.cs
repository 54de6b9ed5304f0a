using System.Text.Json;
using Dvis.Streaming.Pipeline.Publishing;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>What a message says beside the result, and how large it may be.</summary>
/// <param name="Budget">Bytes a payload may have.</param>
/// <param name="MaskRefs">The records name their masks on the mask topic.</param>
/// <param name="Masks">The records carry their masks.</param>
internal readonly record struct EncodeOptions(int Budget, bool MaskRefs = false, bool Masks = false);

/// <summary>Provisional results as JSON (<c>dvis.tracks/1.0</c>), in as many parts as the budget asks for. Reused; one thread.</summary>
internal sealed class TracksEncoder(Envelope envelope) : IDisposable
{
    private static readonly JsonEncodedText Schema = JsonEncodedText.Encode(Schemas.Tracks);
    private readonly RecordBuffer _records = new();
    private readonly PartPlan _plan = new();
    private readonly PayloadBuffer _payload = new();

    /// <summary>Calls <paramref name="emit"/> with each part; the memory is valid until it returns.</summary>
    /// <returns>Tracks that were larger than the budget and left out.</returns>
    public int Encode(ProvisionalResult result, Sequence sequence, Moment published, EncodeOptions options, Action<ReadOnlyMemory<byte>> emit)
    {
        _records.Clear();
        _plan.Clear();
        // Measured with the largest numbers that can stand there, so that the real one is never larger.
        Write(result, long.MaxValue, published, PartPlan.MaxParts, PartPlan.MaxParts);
        var room = options.Budget - _payload.Written.Length;
        foreach (var track in result.Tracks)
        {
            var length = EncodeTrack(result, track, options, track.Contour);
            if (length > room && track.Contour is not null)
            {
                _records.RemoveLast();
                length = EncodeTrack(result, track, options, null);
            }

            _plan.AddGroup(0);
            _plan.AddItem(length);
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
    }

    private void Write(ProvisionalResult result, long seq, Moment published, int part, int parts)
    {
        var w = _payload.Begin();
        w.WriteStartObject();
        envelope.WriteIdentity(w, Schema, result.Epoch, seq, result.Camera);
        envelope.WriteFrame(w, result.Frame, result.Latency, published);
        w.WriteString("stage"u8, "provisional"u8);
        w.WriteNumber("final_through_frame"u8, result.FinalThroughFrame);
        w.WriteNumber("dropped_since_last"u8, result.DroppedSinceLast);
        w.WriteString("labels_id"u8, envelope.Labels.Id);
        w.WriteNumber("part"u8, part);
        w.WriteNumber("parts"u8, parts);
        w.WriteStartArray("tracks"u8);
        foreach (var slice in _plan.Slices)
            if (slice.Part == part - 1) w.WriteRawValue(_records[slice.Group], skipInputValidation: true);
        w.WriteEndArray();
        w.WriteEndObject();
        _payload.End();
    }

    private int EncodeTrack(ProvisionalResult result, TrackObservation track, EncodeOptions options, Contour? contour)
    {
        var w = _records.Begin();
        w.WriteStartObject();
        w.TrackId("id"u8, result.Epoch, track.Number);
        w.WriteNumber("class_id"u8, track.ClassId);
        w.WriteString("label"u8, envelope.Labels.Name(track.ClassId));
        w.WriteNumber("score"u8, JsonText.Thousandths(track.Score));
        w.WriteString("state"u8, WireName<TrackState>.Json(track.State));
        w.WriteNumber("age_frames"u8, track.AgeFrames);
        w.Box(track.Box);
        w.WriteNumber("area_px"u8, JsonText.Tenths(track.AreaPx));
        w.WriteStartArray("centroid"u8);
        w.WriteNumberValue(JsonText.Tenths(track.CentroidX));
        w.WriteNumberValue(JsonText.Tenths(track.CentroidY));
        w.WriteEndArray();
        w.WriteBoolean("truncated"u8, track.Truncated);
        if (options.MaskRefs && track.Mask is not null) w.MaskRef(result, track.Number);
        if (options.Masks && track.Mask is { } mask) w.Mask(mask);
        if (contour is not null) w.Contour(contour);
        w.WriteEndObject();
        return _records.End();
    }
}
