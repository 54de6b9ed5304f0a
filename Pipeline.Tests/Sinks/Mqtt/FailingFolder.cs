using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>A real folder on a disk that fails when a test says so,
/// after taking a part of what is written, as a full one does.</summary>
internal sealed class FailingFolder(string path) : IStoreFolder
{
    private readonly DiskFolder _real = new(path);

    /// <summary>errno of every write from now on; 0: none.</summary>
    public int Errno { get; set; }

    /// <summary>Reads fail.</summary>
    public bool Unreadable { get; set; }

    public int Syncs { get; private set; }

    public IReadOnlyList<string> Names() => _real.Names();

    public IStoreFile Open(string name) => new FailingFile(this, _real.Open(name));

    public void Delete(string name) => _real.Delete(name);

    public void Dispose() => _real.Dispose();

    private sealed class FailingFile(FailingFolder disk, IStoreFile real) : IStoreFile
    {
        public long Length => real.Length;

        public int Read(Span<byte> buffer, long offset) =>
            disk.Unreadable ? throw new IOException("bad sector", 5) : real.Read(buffer, offset);

        public void Write(ReadOnlySpan<byte> bytes, long offset)
        {
            if (disk.Errno == 0)
            {
                real.Write(bytes, offset);
                return;
            }

            real.Write(bytes[..(bytes.Length / 2)], offset);
            throw new IOException("no", disk.Errno);
        }

        public void SetLength(long length)
        {
            if (disk.Errno != 0) throw new IOException("no", disk.Errno);
            real.SetLength(length);
        }

        public void Sync()
        {
            disk.Syncs++;
            real.Sync();
        }

        public void Dispose() => real.Dispose();
    }
}
