using System.Text.Json;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>Writes panoptic results as the VIPSeg server takes them, frame by frame.
/// The folder is whole when the writer is disposed.</summary>
public sealed class VipsegWriter : IDisposable
{
    private readonly string _maps;
    private readonly FileStream _file;
    private readonly Utf8JsonWriter _json;
    private string? _video;

    /// <param name="folder">Made when it is not there.</param>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public VipsegWriter(string folder)
    {
        _maps = Path.Combine(folder, VipsegResults.Maps);
        Directory.CreateDirectory(_maps);
        _file = File.Create(Path.Combine(folder, VipsegResults.Json));
        _json = new Utf8JsonWriter(_file);
        _json.WriteStartObject();
        _json.WriteStartArray("annotations"u8);
    }

    /// <param name="id">Also the name of its folder.</param>
    public void BeginVideo(string id)
    {
        EndVideo();
        ResultFolders.CheckName(id);
        _video = id;
        Directory.CreateDirectory(Path.Combine(_maps, id));
        _json.WriteStartObject();
        _json.WriteString("video_id"u8, id);
        _json.WriteStartArray("annotations"u8);
    }

    /// <param name="fileName">The frame's picture in the data set; the map gets its name, as PNG.</param>
    /// <param name="frame">Segments that the map does not show are left out; areas are counted.</param>
    /// <exception cref="ArgumentException">The map shows an id that is no segment's,
    /// or one that does not fit into RGB.</exception>
    public void Add(string fileName, PanopticFrame frame)
    {
        var seen = Measure(frame);
        PngWriter.Write(ResultFolders.Picture(_maps, _video
            ?? throw new InvalidOperationException("No video was begun."), fileName), Paint(frame));
        _json.WriteStartObject();
        _json.WriteString("file_name"u8, Path.GetFileName(fileName));
        _json.WriteStartArray("segments_info"u8);
        foreach (var segment in frame.Segments)
        {
            if (!seen.TryGetValue(segment.Id, out var extent)) continue;
            _json.WriteStartObject();
            _json.WriteNumber("id"u8, segment.Id);
            _json.WriteNumber("category_id"u8, segment.CategoryId);
            _json.WriteNumber("iscrowd"u8, segment.IsCrowd ? 1 : 0);
            _json.WriteNumber("area"u8, extent.Area);
            _json.WriteStartArray("bbox"u8);
            foreach (var side in (ReadOnlySpan<int>)[extent.Left, extent.Top, extent.Right - extent.Left + 1,
                extent.Bottom - extent.Top + 1]) _json.WriteNumberValue(side);
            _json.WriteEndArray();
            _json.WriteEndObject();
        }

        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.Flush();
    }

    public void Dispose()
    {
        EndVideo();
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.Dispose();
        _file.Dispose();
    }

    private void EndVideo()
    {
        if (_video is null) return;
        _json.WriteEndArray();
        _json.WriteEndObject();
        _video = null;
    }

    private static Dictionary<int, Extent> Measure(PanopticFrame frame)
    {
        var seen = new Dictionary<int, Extent>();
        for (var y = 0; y < frame.Height; y++)
        {
            var row = frame.Ids.AsSpan(y * frame.Width, frame.Width);
            for (var x = 0; x < row.Length;)
            {
                var (id, start) = (row[x], x);
                while (x < row.Length && row[x] == id) x++;
                if (id == 0) continue;
                var e = seen.TryGetValue(id, out var known) ? known : new Extent(0, start, y, x - 1, y);
                seen[id] = new Extent(e.Area + x - start, Math.Min(e.Left, start), e.Top, Math.Max(e.Right, x - 1), y);
            }
        }

        foreach (var id in seen.Keys)
        {
            if (id is < 0 or >= 1 << 24)
                throw new ArgumentException($"The segment {id} does not fit into a map of 24 bits.", nameof(frame));
            if (!frame.Segments.Any(s => s.Id == id))
                throw new ArgumentException($"The map shows the segment {id}, which is not listed.", nameof(frame));
        }

        return seen;
    }

    private static PngImage Paint(PanopticFrame frame)
    {
        var pixels = new byte[frame.Ids.Length * 3];
        for (var i = 0; i < frame.Ids.Length; i++)
            (pixels[i * 3], pixels[i * 3 + 1], pixels[i * 3 + 2]) =
                ((byte)frame.Ids[i], (byte)(frame.Ids[i] >> 8), (byte)(frame.Ids[i] >> 16));
        return new PngImage(frame.Width, frame.Height, 3, pixels);
    }

    private readonly record struct Extent(long Area, int Left, int Top, int Right, int Bottom);
}
