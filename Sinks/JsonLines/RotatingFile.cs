namespace Dvis.Streaming.Sinks.JsonLines;

/// <summary>File that is renamed to <c>path.1</c> (<c>.1</c> to <c>.2</c>, ...) at its maximum size; the oldest beyond
/// the limit is deleted. Writes stay in memory until <see cref="Flush"/>. One thread.</summary>
/// <exception cref="IOException">The file cannot be opened for writing.</exception>
internal sealed class RotatingFile(string path, long maxBytes, int keep) : IDisposable
{
    private const int Buffer = 64 << 10;
    private FileStream? _file = Open(path);

    /// <exception cref="IOException">The write failed; the next call opens the file again.</exception>
    public void WriteLine(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> rest)
    {
        try
        {
            var bytes = prefix.Length + rest.Length + 1;
            _file ??= Open(path);
            if (maxBytes > 0 && _file.Position > 0 && _file.Position + bytes > maxBytes) Rotate();
            _file.Write(prefix);
            _file.Write(rest);
            _file.WriteByte((byte)'\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Abandon();
            throw;
        }
    }

    public void Flush() => _file?.Flush();

    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    private static FileStream Open(string path)
    {
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete,
            Buffer);
        if (file.Length == 0) return file;
        // A crash or a full disk may have left half a line: the next one must not continue it.
        file.Seek(-1, SeekOrigin.End);
        if (file.ReadByte() != '\n') file.WriteByte((byte)'\n');
        return file;
    }

    private void Rotate()
    {
        Dispose();
        for (var i = keep; i > 1; i--)
            if (File.Exists($"{path}.{i - 1}")) File.Move($"{path}.{i - 1}", $"{path}.{i}", overwrite: true);
        File.Move(path, $"{path}.1", overwrite: true);
        _file = Open(path);
    }

    // Disposing flushes, which fails as the write did; the bytes in memory are lost and the caller has the error.
    private void Abandon()
    {
        try
        {
            Dispose();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _file = null;
        }
    }
}
