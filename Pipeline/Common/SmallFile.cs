using System.Buffers;
using System.Globalization;
using System.Text;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>Reader of small files. The length of a file is no bound: devices have none and never end.</summary>
public static class SmallFile
{
    /// <summary><c>is a folder</c> or <c>does not exist</c>; null for a file or device.</summary>
    public static string? Fault(string path) =>
        File.Exists(path) ? null : Directory.Exists(path) ? "is a folder" : "does not exist";

    /// <summary>Text in UTF-8, or in UTF-16 or UTF-32 with a byte order mark. A byte of another encoding is an error:
    /// replaced by U+FFFD it would be a wrong name or password.</summary>
    /// <exception cref="IOException">
    /// Not readable, no text, or larger than <paramref name="most"/> bytes.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">Not readable.</exception>
    public static string ReadText(string path, int most)
    {
        var bytes = ReadBytes(path, most);
        using var reader = new StreamReader(new MemoryStream(bytes), Encoding.UTF8);
        var text = reader.ReadToEnd();
        if (reader.CurrentEncoding is UTF8Encoding && InvalidUtf8(bytes) is >= 0 and var at)
            throw new IOException($"line {1 + bytes.AsSpan(0, at).Count((byte)'\n')} is not UTF-8");
        var nul = text.IndexOf('\0', StringComparison.Ordinal);
        return nul < 0
            ? text
            : throw new IOException($"line {1 + text.AsSpan(0, nul).Count('\n')} has a NUL character");
    }

    // Position of the first byte that is not UTF-8; -1 when there is none.
    private static int InvalidUtf8(ReadOnlySpan<byte> bytes)
    {
        for (var at = 0; at < bytes.Length;)
        {
            if (Rune.DecodeFromUtf8(bytes[at..], out _, out var used) != OperationStatus.Done) return at;
            at += used;
        }

        return -1;
    }

    /// <exception cref="IOException">Not readable, or larger than <paramref name="most"/> bytes.</exception>
    /// <exception cref="UnauthorizedAccessException">Not readable.</exception>
    public static byte[] ReadBytes(string path, int most)
    {
        if (Directory.Exists(path)) throw new IOException("it is a folder");
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        var content = new byte[most + 1];
        var length = file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
        return length <= most
            ? content[..length]
            : throw new IOException(string.Create(CultureInfo.InvariantCulture, $"it is larger than {most} bytes"));
    }
}
