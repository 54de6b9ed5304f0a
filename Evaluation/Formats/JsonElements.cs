using System.Text;
using System.Text.Json;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>One entry of a list in a JSON file: its place in the file, so that it can be read again.</summary>
internal readonly record struct JsonPlace(long Offset, int Length);

/// <summary>
/// Walks the lists of a JSON file entry by entry. No more than one entry is in memory,
/// so files of any size can be read.
/// </summary>
internal sealed class JsonElements : IDisposable
{
    /// <summary>Longest entry that is read; a longer one is no annotation.</summary>
    private const int LongestEntry = 1 << 29;

    private readonly FileStream _file;
    private byte[] _buffer = new byte[1 << 16];

    /// <exception cref="EvaluationException">The file cannot be read.</exception>
    public JsonElements(string path)
    {
        Path = path;
        try
        {
            _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EvaluationException($"{path}: the file cannot be read: {e.Message}", e);
        }
    }

    public string Path { get; }

    // Editors of Windows write a byte order mark. Returns where the JSON begins.
    private long SkipMark()
    {
        var mark = new byte[Encoding.UTF8.Preamble.Length];
        _file.Position = 0;
        var read = _file.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false);
        return _file.Position = mark.AsSpan(0, read).SequenceEqual(Encoding.UTF8.Preamble) ? read : 0;
    }

    /// <summary>
    /// Calls back for each entry of each list that stands directly in the file: with the list's name in the top-level
    /// object, or with "" when the file is a list. Top-level values that are no list are passed whole, with index -1.
    /// </summary>
    /// <exception cref="EvaluationException">No JSON; names file, line and column.</exception>
    public void Walk(Action<string, int, JsonPlace, JsonElement> found)
    {
        var begin = SkipMark();
        var state = new JsonReaderState();
        // Where the buffer begins in the file, what is in it, whether the file ends there.
        var (start, filled, last) = (begin, 0, false);
        var (list, index, inside) = ("", -1, false);
        var begun = false;
        while (true)
        {
            var reader = new Utf8JsonReader(_buffer.AsSpan(0, filled), last, state);
            var done = Advance(ref reader);
            var used = (int)reader.BytesConsumed;
            state = reader.CurrentState;
            if (done) return;
            _buffer.AsSpan(used, filled - used).CopyTo(_buffer);
            (start, filled) = (start + used, filled - used);
            if (filled == _buffer.Length)
            {
                if (_buffer.Length >= LongestEntry)
                    throw new EvaluationException(
                        $"{Path}: {Name(list, index)} is longer than {LongestEntry >> 20} MiB.");
                Array.Resize(ref _buffer, _buffer.Length * 2);
            }

            var read = _file.Read(_buffer.AsSpan(filled));
            filled += read;
            last = read == 0;
        }

        // False when more of the file is needed; the reader then stands before the entry that was not whole.
        bool Advance(ref Utf8JsonReader reader)
        {
            try
            {
                while (true)
                {
                    var before = reader;
                    if (!reader.Read()) return last && reader.CurrentDepth == 0 && begun;
                    if (!begun)
                    {
                        begun = true;
                        if (reader.TokenType is not (JsonTokenType.StartArray or JsonTokenType.StartObject))
                            throw new EvaluationException(
                                $"{Path}: found a single value, expected a list or an object.");
                        inside = reader.TokenType == JsonTokenType.StartArray;
                        continue;
                    }

                    if (reader.TokenType is JsonTokenType.EndArray or JsonTokenType.EndObject)
                    {
                        inside = false;
                        continue;
                    }

                    if (reader.TokenType == JsonTokenType.PropertyName)
                    {
                        (list, index) = (PropertyName(ref reader), -1);
                        continue;
                    }

                    if (!inside && reader.TokenType == JsonTokenType.StartArray)
                    {
                        inside = true;
                        continue;
                    }

                    var from = (int)reader.TokenStartIndex;
                    if (!reader.TrySkip())
                    {
                        reader = before;
                        return false;
                    }

                    var length = (int)reader.BytesConsumed - from;
                    if (inside) index++;
                    using var document = StrictJson.Parse(_buffer.AsMemory(from, length));
                    found(list, inside ? index : -1, new JsonPlace(start + from, length), document.RootElement);
                }
            }
            catch (JsonException e)
            {
                throw new EvaluationException(
                    $"{Path}:{e.LineNumber + 1}:{e.BytePositionInLine + 1}: "
                    + $"{Name(list, index + (inside ? 1 : 0))} is no JSON: {e.Message}", e);
            }
        }
    }

    /// <summary>Reads an entry again; the caller disposes it.</summary>
    /// <exception cref="EvaluationException">The file has changed since it was walked.</exception>
    public JsonDocument Read(JsonPlace place)
    {
        var bytes = new byte[place.Length];
        try
        {
            _file.Position = place.Offset;
            _file.ReadExactly(bytes);
            return StrictJson.Parse(bytes);
        }
        catch (Exception e) when (e is EndOfStreamException or JsonException)
        {
            throw new EvaluationException($"{Path}: the file changed while it was read.", e);
        }
    }

    public void Dispose() => _file.Dispose();

    private static string Name(string list, int index) =>
        index < 0 ? list.Length == 0 ? "the file" : list : $"{list}[{index}]";

    /// <exception cref="JsonException">The name is not Unicode.</exception>
    private static string PropertyName(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("a text is not Unicode", e);
        }
    }
}
