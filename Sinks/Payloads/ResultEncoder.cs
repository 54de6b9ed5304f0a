using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Options of one message.</summary>
/// <param name="Budget">Largest payload in bytes.</param>
/// <param name="MaskRefs">Records refer to their masks on the mask topic.</param>
/// <param name="Masks">Records contain their masks.</param>
internal readonly record struct EncodeOptions(int Budget, bool MaskRefs = false, bool Masks = false);

/// <summary>Encoder of results as JSON, in as many parts as the budget needs: tracks, or with panoptic and semantic
/// models segments, which are the tracks and then the classes beside them. Reused; one thread.</summary>
/// <param name="tracks">Schema with task <c>vis</c>.</param>
/// <param name="segments">Schema with the other tasks.</param>
internal abstract class ResultEncoder<TResult>(Envelope envelope, string tracks, string segments) : IDisposable
    where TResult : PipelineMessage
{
    private readonly JsonEncodedText _schema =
        JsonEncodedText.Encode(envelope.Model.Task == ModelTask.Vis ? tracks : segments);
    private readonly JsonBuffer _payload = new();

    protected ModelTask Task => envelope.Model.Task;

    protected bool IsSegments => Task != ModelTask.Vis;

    /// <summary>Encoded items of <see cref="Plan"/>, with the same numbers.</summary>
    protected JsonBuffer Records { get; } = new();

    protected PartPlan Plan { get; } = new();

    /// <summary>Calls <paramref name="emit"/> with each part; the memory is valid until it returns.</summary>
    /// <returns>Number of records left out because they are larger than the budget.</returns>
    public int Encode(TResult result, Sequence sequence, Moment published, EncodeOptions options,
        Action<ReadOnlyMemory<byte>> emit)
    {
        Records.Clear();
        Plan.Clear();
        // Measured with the largest numbers, so that no part is larger.
        var rest = Write(result, long.MaxValue, published, PartPlan.MaxParts, PartPlan.MaxParts, options);
        var room = options.Budget - rest.Length;
        AddRecords(result, room, options);
        Plan.Make(room);
        for (var part = 1; part <= Plan.Parts; part++)
            emit(Write(result, sequence.Next(), published, part, Plan.Parts, options));
        return Plan.Lost;
    }

    public void Dispose()
    {
        Records.Dispose();
        _payload.Dispose();
    }

    /// <summary>Epoch, frame and latency that stand for the result.</summary>
    protected abstract (string Epoch, FrameInfo Frame, StageLatency Latency) Origin(TResult result);

    /// <summary>Encodes all records and adds them to the plan.</summary>
    /// <param name="room">Bytes of a part for records.</param>
    protected abstract void AddRecords(TResult result, int room, EncodeOptions options);

    /// <summary>Writes the fields of the result that stand before the part numbers.</summary>
    protected abstract void WriteHead(Utf8JsonWriter w, TResult result);

    /// <summary>Writes the records of a part, counted from 0, and the maps.</summary>
    protected abstract void WriteRecords(Utf8JsonWriter w, TResult result, int part, EncodeOptions options);

    /// <summary>Begins the object of a track, or of a class beside the tracks (null).</summary>
    protected void BeginObject(Utf8JsonWriter w, string epoch, int classId, long? track)
    {
        w.WriteStartObject();
        if (IsSegments)
        {
            w.WriteNumber("id"u8, SegmentIds.Of(classId, track));
            w.WriteString("kind"u8, envelope.IsThing(classId) ? "thing"u8 : "stuff"u8);
        }

        if (track is { } number) w.TrackId(IsSegments ? "track"u8 : "id"u8, epoch, number);
        envelope.WriteClass(w, classId);
    }

    protected void WriteItems(Utf8JsonWriter w, PartPlan.Slice slice)
    {
        for (var i = 0; i < slice.Items; i++)
            w.WriteRawValue(Records[slice.FirstItem + i], skipInputValidation: true);
    }

    private ReadOnlyMemory<byte> Write(TResult result, long seq, Moment published, int part, int parts,
        EncodeOptions options)
    {
        var (epoch, frame, latency) = Origin(result);
        var w = _payload.Restart();
        w.WriteStartObject();
        envelope.WriteIdentity(w, _schema, epoch, seq, result.Camera);
        envelope.WriteFrame(w, frame, latency, published);
        w.WriteString("stage"u8, result is FinalResult ? "final"u8 : "provisional"u8);
        if (IsSegments) w.WriteString("task"u8, WireName<ModelTask>.Json(Task));
        WriteHead(w, result);
        w.WriteString("labels_id"u8, envelope.LabelsId);
        w.WriteNumber("part"u8, part);
        w.WriteNumber("parts"u8, parts);
        WriteRecords(w, result, part - 1, options);
        w.WriteEndObject();
        return _payload.End();
    }
}
