using System.Globalization;
using System.Text;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>Reads what must be small. A file's length says nothing of devices, which have none and never end.</summary>
public static class SmallFile
{
    /// <exception cref="IOException">Not readable, or larger than <paramref name="most"/> bytes.</exception>
    /// <exception cref="UnauthorizedAccessException">Not readable.</exception>
    public static string ReadText(string path, int most)
    {
        using var text = new StreamReader(Read(path, most), Encoding.UTF8);
        return text.ReadToEnd();
    }

    /// <inheritdoc cref="ReadText"/>
    public static byte[] ReadBytes(string path, int most) => Read(path, most).ToArray();

    private static MemoryStream Read(string path, int most)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        var content = new MemoryStream();
        var buffer = new byte[4096];
        for (var read = file.Read(buffer); read > 0; read = file.Read(buffer))
        {
            if (content.Length + read > most)
                throw new IOException(string.Create(CultureInfo.InvariantCulture, $"it is larger than {most} bytes"));
            content.Write(buffer, 0, read);
        }

        content.Position = 0;
        return content;
    }
}
