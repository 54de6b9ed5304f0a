using System.Globalization;
using System.Text;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>Reader of small files. The length of a file is no bound: devices have none and never end.</summary>
public static class SmallFile
{
    /// <summary><c>is a folder</c> or <c>does not exist</c>; null for a file or device.</summary>
    public static string? Fault(string path) =>
        File.Exists(path) ? null : Directory.Exists(path) ? "is a folder" : "does not exist";

    /// <exception cref="IOException">Not readable, or larger than <paramref name="most"/> bytes.</exception>
    /// <exception cref="UnauthorizedAccessException">Not readable.</exception>
    public static string ReadText(string path, int most)
    {
        using var text = new StreamReader(new MemoryStream(ReadBytes(path, most)), Encoding.UTF8);
        return text.ReadToEnd();
    }

    /// <inheritdoc cref="ReadText"/>
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
