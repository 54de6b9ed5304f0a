using Dvis.Streaming.Sinks.Mqtt.Options;
using Microsoft.Win32.SafeHandles;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Folder of the file system that belongs to one process at a time.</summary>
internal sealed class DiskFolder : IStoreFolder
{
    private readonly string _path;
    private readonly SafeFileHandle _lock;

    /// <exception cref="IOException">Another process uses the folder, or it cannot be created.</exception>
    public DiskFolder(string path)
    {
        _path = path;
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        // An advisory lock ends with the process, however that ends.
        _lock =
            File.OpenHandle(Path.Combine(path, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
    }

    /// <summary>Opens the folder of the options, or that of systemd; null when there is neither.</summary>
    /// <exception cref="InvalidOperationException">The folder cannot be used; the message names it.</exception>
    public static DiskFolder? Open(MqttOutboxOptions options)
    {
        var path = options.Path;
        // systemd.exec(5): several are separated by colons.
        var state = Environment.GetEnvironmentVariable("STATE_DIRECTORY")?.Split(':')[0];
        if (string.IsNullOrEmpty(path) && !string.IsNullOrEmpty(state)) path = Path.Combine(state, "outbox");
        if (string.IsNullOrEmpty(path)) return null;
        try
        {
            return new(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var why = StoreFaults.Of(e) == StoreFault.Busy ? "another process uses it" : e.Message;
            throw new InvalidOperationException($"mqtt.outbox.path: {path} cannot be used: {why}", e);
        }
    }

    public IReadOnlyList<string> Names() => [.. Directory.EnumerateFiles(_path).Select(p => Path.GetFileName(p))];

    public IStoreFile Open(string name) =>
        new DiskFile(File.OpenHandle(Path.Combine(_path, name), FileMode.OpenOrCreate, FileAccess.ReadWrite,
            FileShare.ReadWrite | FileShare.Delete));

    public void Delete(string name) => File.Delete(Path.Combine(_path, name));

    public void Dispose() => _lock.Dispose();

    private sealed class DiskFile(SafeFileHandle handle) : IStoreFile
    {
        public long Length => RandomAccess.GetLength(handle);

        public int Read(Span<byte> buffer, long offset)
        {
            var done = 0;
            while (done < buffer.Length && RandomAccess.Read(handle, buffer[done..], offset + done) is > 0 and var read)
                done += read;
            return done;
        }

        public void Write(ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(handle, bytes, offset);

        public void SetLength(long length) => RandomAccess.SetLength(handle, length);

        public void Sync() => RandomAccess.FlushToDisk(handle);

        public void Dispose() => handle.Dispose();
    }
}
