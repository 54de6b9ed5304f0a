using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Encoder of the state of a camera as JSON (<c>dvis.state/1.2</c>). Reused; one thread.</summary>
internal sealed class StateEncoder(Envelope envelope) : IDisposable
{
    // The detail is for operators; the full text of a decoder's error is in the log.
    private const int MaxDetail = 256;
    private static readonly JsonEncodedText s_schema = JsonEncodedText.Encode(Schemas.State);

    private readonly JsonBuffer _payload = new();

    /// <returns>The payload; valid until the next call.</returns>
    public ReadOnlyMemory<byte> Encode(CameraStatus status, Sequence sequence, Moment published)
    {
        var w = _payload.Restart();
        w.WriteStartObject();
        envelope.WriteIdentity(w, s_schema, null, sequence.Next(), status.Camera);
        w.WriteString("epoch"u8, status.Epoch);
        w.Stamp("published"u8, published.Utc);
        w.WriteString("state"u8, WireName<CameraState>.Json(status.State));
        w.Stamp("since"u8, status.Since);
        w.WriteString("reason"u8, WireName<SourceFault>.Json(status.Reason));
        w.WriteString("detail"u8, Detail(status.Detail));
        w.WriteNumber("attempt"u8, status.Attempt);
        if (status.NextRetrySeconds is { } retry) w.WriteNumber("next_retry_s"u8, JsonText.Thousandths(retry));
        else w.WriteNull("next_retry_s"u8);
        w.WriteNumber("fps_in"u8, JsonText.Thousandths(status.FpsIn));
        w.WriteNumber("fps_out"u8, JsonText.Thousandths(status.FpsOut));
        w.WriteBoolean("overloaded"u8, status.Overloaded);
        w.WriteNumber("dropped_share"u8, JsonText.Thousandths(status.DroppedShare));
        w.WriteString("codec"u8, status.Codec);
        w.WriteStartArray("warnings"u8);
        foreach (var warning in status.Warnings)
        {
            w.WriteStartObject();
            w.WriteString("reason"u8, WireName<CameraWarningKind>.Json(warning.Kind));
            w.WriteString("detail"u8, Detail(warning.Detail));
            w.WriteEndObject();
        }

        w.WriteEndArray();
        WriteLastFrame(w, status);
        w.WriteEndObject();
        return _payload.End();
    }

    public void Dispose() => _payload.Dispose();

    private static string? Detail(string? text) => text is { Length: > MaxDetail } ? text[..MaxDetail] : text;

    private static void WriteLastFrame(Utf8JsonWriter w, CameraStatus status)
    {
        if (status.LastFrame is not { } frame)
        {
            w.WriteNull("last_frame"u8);
            w.WriteNull("size"u8);
            w.WriteNull("clock"u8);
            return;
        }

        w.WriteStartObject("last_frame"u8);
        Envelope.WriteMediaTime(w, frame);
        w.Stamp("received"u8, frame.Received);
        w.WriteEndObject();
        w.Integers("size"u8, frame.Width, frame.Height);
        w.Clock(frame.Capture);
    }
}
