using System.Text.Encodings.Web;
using System.Text.Json;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Evaluation.Metrics;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>Writes a results file for the YouTube-VIS and OVIS servers: detection by detection, masks as compressed run
/// lengths. The file is whole when it is disposed.</summary>
public sealed class YtvisResultsWriter : IDisposable
{
    private const int FlushAt = 1 << 20;

    private readonly Utf8JsonWriter _json;
    private readonly FileStream _file;

    /// <exception cref="IOException">The file cannot be written.</exception>
    public YtvisResultsWriter(string path)
    {
        _file = File.Create(path);

        // Compressed run lengths use most of ASCII; only what JSON itself needs is escaped.
        _json =
            new Utf8JsonWriter(_file, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        _json.WriteStartArray();
    }

    public void Add(long videoId, PredictedInstance instance)
    {
        _json.WriteStartObject();
        _json.WriteNumber("video_id"u8, videoId);
        _json.WriteNumber("category_id"u8, instance.CategoryId);
        _json.WriteNumber("score"u8, instance.Score);
        _json.WriteStartArray("segmentations"u8);
        foreach (var mask in instance.Masks)
        {
            if (mask is null)
            {
                _json.WriteNullValue();
                continue;
            }

            _json.WriteStartObject();
            _json.WriteStartArray("size"u8);
            _json.WriteNumberValue(mask.Height);
            _json.WriteNumberValue(mask.Width);
            _json.WriteEndArray();
            _json.WriteString("counts"u8, CompressedRuns.EncodeUtf8(mask));
            _json.WriteEndObject();
            if (_json.BytesPending > FlushAt) _json.Flush();
        }

        _json.WriteEndArray();
        _json.WriteEndObject();
        if (_json.BytesPending > FlushAt) _json.Flush();
    }

    public void Dispose()
    {
        // Deeper: an entry failed half-way, and that failure is on its way.
        if (_json.CurrentDepth == 1) _json.WriteEndArray();
        _json.Dispose();
        _file.Dispose();
    }
}
