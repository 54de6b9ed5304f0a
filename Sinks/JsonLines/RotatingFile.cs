namespace Dvis.Streaming.Sinks.JsonLines;

/// <summary>
/// File that is renamed to <c>path.1</c> (and <c>.1</c> to <c>.2</c> …) at its maximum size; the oldest beyond the
/// limit is deleted. Writes stay in memory until <see cref="Flush"/>. One thread.
/// </summary>
internal sealed class RotatingFile : IDisposable
{
    private const int Buffer = 64 << 10;
    private readonly string _path;
    private readonly long _maxBytes;
    private readonly int _keep;
    private FileStream? _file;

    /// <exception cref="IOException">The file cannot be opened for writing.</exception>
    public RotatingFile(string path, long maxBytes, int keep)
    {
        (_path, _maxBytes, _keep) = (path, maxBytes, keep);
        _file = Open();
    }

    /// <exception cref="IOException">The write failed; the next call opens the file again.</exception>
    public void WriteLine(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> rest)
    {
        try
        {
            var bytes = prefix.Length + rest.Length + 1;
            _file ??= Open();
            if (_maxBytes > 0 && _file.Position > 0 && _file.Position + bytes > _maxBytes) Rotate();
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
        var file = new FileStream(_path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete,
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
        for (var i = _keep; i > 1; i--)
            if (File.Exists($"{_path}.{i - 1}")) File.Move($"{_path}.{i - 1}", $"{_path}.{i}", overwrite: true);
        File.Move(_path, $"{_path}.1", overwrite: true);
        _file = Open();
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
