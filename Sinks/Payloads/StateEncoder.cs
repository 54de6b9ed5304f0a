using System.Collections.Immutable;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>The state of a camera as JSON (<c>dvis.state/1.1</c>). Reused; one thread.</summary>
internal sealed class StateEncoder(Envelope envelope) : IDisposable
{
    // Text for a person; a decoder's whole complaint belongs into the log.
    private const int MaxDetail = 256;
    private static readonly JsonEncodedText Schema = JsonEncodedText.Encode(Schemas.State);
    private readonly PayloadBuffer _payload = new();

    /// <summary>Valid until the next call.</summary>
    public ReadOnlyMemory<byte> Encode(CameraStatus status, Sequence sequence, Moment published)
    {
        var w = _payload.Begin();
        w.WriteStartObject();
        envelope.WriteIdentity(w, Schema, null, sequence.Next(), status.Camera);
        w.Text("epoch"u8, status.Epoch);
        w.Stamp("published"u8, published.Utc);
        w.WriteString("state"u8, WireName<CameraState>.Json(status.State));
        w.Stamp("since"u8, status.Since);
        w.WriteString("reason"u8, WireName<SourceFault>.Json(status.Reason));
        w.Text("detail"u8, Detail(status.Detail));
        w.WriteNumber("attempt"u8, status.Attempt);
        if (status.NextRetrySeconds is { } retry) w.WriteNumber("next_retry_s"u8, JsonText.Thousandths(retry));
        else w.WriteNull("next_retry_s"u8);
        w.WriteNumber("fps_in"u8, JsonText.Thousandths(status.FpsIn));
        w.WriteNumber("fps_out"u8, JsonText.Thousandths(status.FpsOut));
        w.Text("codec"u8, status.Codec);
        WriteWarnings(w, status.Warnings);
        if (status.LastFrame is { } frame) WriteFrame(w, frame);
        else WriteNoFrame(w);
        w.WriteEndObject();
        return _payload.End();
    }

    public void Dispose() => _payload.Dispose();

    private static string? Detail(string? text) => text is { Length: > MaxDetail } ? text[..MaxDetail] : text;

    private static void WriteWarnings(Utf8JsonWriter w, ImmutableArray<CameraWarning> warnings)
    {
        w.WriteStartArray("warnings"u8);
        foreach (var warning in warnings)
        {
            w.WriteStartObject();
            w.WriteString("reason"u8, WireName<CameraWarningKind>.Json(warning.Kind));
            w.Text("detail"u8, Detail(warning.Detail));
            w.WriteEndObject();
        }

        w.WriteEndArray();
    }

    private static void WriteFrame(Utf8JsonWriter w, FrameInfo frame)
    {
        w.WriteStartObject("last_frame"u8);
        Envelope.WriteMediaTime(w, frame);
        w.Stamp("received"u8, frame.Received);
        w.WriteEndObject();
        w.WriteStartArray("size"u8);
        w.WriteNumberValue(frame.Width);
        w.WriteNumberValue(frame.Height);
        w.WriteEndArray();
        w.Clock(frame.Capture);
    }

    private static void WriteNoFrame(Utf8JsonWriter w)
    {
        w.WriteNull("last_frame"u8);
        w.WriteNull("size"u8);
        w.WriteNull("clock"u8);
    }
}
