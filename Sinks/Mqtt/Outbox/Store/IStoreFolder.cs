namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Port of the disk under the outbox. Failures are <see cref="IOException"/> or
/// <see cref="UnauthorizedAccessException"/>.</summary>
internal interface IStoreFolder : IDisposable
{
    IReadOnlyList<string> Names();

    /// <summary>Opens a file for reading and writing; creates it when there is none.</summary>
    IStoreFile Open(string name);

    void Delete(string name);
}

/// <summary>File of bytes at offsets.</summary>
internal interface IStoreFile : IDisposable
{
    long Length { get; }

    /// <returns>Number of bytes; fewer than asked for only at the end of the file.</returns>
    int Read(Span<byte> buffer, long offset);

    /// <summary>Writes all bytes, or throws after any part of them.</summary>
    void Write(ReadOnlySpan<byte> bytes, long offset);

    void SetLength(long length);

    /// <summary>Returns when what was written would survive a power cut.</summary>
    void Sync();
}
