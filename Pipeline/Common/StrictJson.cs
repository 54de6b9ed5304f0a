using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>
/// Parser of untrusted JSON. The platform's reader detects text that is not Unicode (broken UTF-8, half a surrogate
/// pair) only when the text is read, with an InvalidOperationException. Here such a file is not JSON.
/// </summary>
internal static class StrictJson
{
    /// <exception cref="JsonException">Not JSON, or a text in it is not Unicode.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json, JsonDocumentOptions options = default)
    {
        // Editors of Windows write a byte order mark.
        if (json.Span.StartsWith(Encoding.UTF8.Preamble)) json = json[Encoding.UTF8.Preamble.Length..];
        CheckTexts(json.Span);
        return JsonDocument.Parse(json, options);
    }

    private static void CheckTexts(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json)) throw At(json, ValidBytes(json));
        // Only an escape can hold half a pair.
        if (json.IndexOf("\\u"u8) < 0) return;
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (!reader.ValueIsEscaped) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException)
            {
                throw At(json, (int)reader.TokenStartIndex);
            }
        }
    }

    private static int ValidBytes(ReadOnlySpan<byte> text)
    {
        var at = 0;
        while (Rune.DecodeFromUtf8(text[at..], out _, out var used) == System.Buffers.OperationStatus.Done) at += used;
        return at;
    }

    private static JsonException At(ReadOnlySpan<byte> json, int at)
    {
        var before = json[..at];
        return new JsonException("A text is not Unicode.", null, before.Count((byte)'\n'),
            at - 1 - before.LastIndexOf((byte)'\n'));
    }
}
