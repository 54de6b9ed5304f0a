namespace Dvis.Streaming.Sinks.JsonLines;

/// <summary>
/// A file that is renamed to <c>path.1</c> (and <c>.1</c> to <c>.2</c> …) when it has reached its size; the oldest
/// beyond the limit is deleted. Writes go to memory until <see cref="Flush"/>. One thread.
/// </summary>
internal sealed class RotatingFile(string path, long maxBytes, int keep) : IDisposable
{
    private const int Buffer = 64 << 10;
    private FileStream? _file;

    /// <summary>Opens the file, so that a wrong path is known.</summary>
    /// <exception cref="IOException">It cannot be opened for writing.</exception>
    public void EnsureOpen() => _file ??= Open();

    /// <exception cref="IOException">The disk does not take it;
    /// the next call tries again with a new handle.</exception>
    public void WriteLine(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> rest)
    {
        try
        {
            var bytes = prefix.Length + rest.Length + 1;
            _file ??= Open();
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

    private FileStream Open()
    {
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete,
            Buffer);
        if (file.Length == 0) return file;
        // A crash or a full disk may have left half a line: it must not swallow the next one.
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
        _file = Open();
    }

    // Disposing flushes, which fails as the write did;
    // the bytes in memory are lost either way and the caller has been told.
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
