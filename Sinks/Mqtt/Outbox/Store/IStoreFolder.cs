namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Port of the disk under the outbox. Whatever goes wrong below it is an
/// <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/>.</summary>
internal interface IStoreFolder : IDisposable
{
    IReadOnlyList<string> Names();

    /// <summary>For reading and writing; made when it is not there.</summary>
    IStoreFile Open(string name);

    void Delete(string name);
}

/// <summary>A file of bytes at offsets.</summary>
internal interface IStoreFile : IDisposable
{
    long Length { get; }

    /// <returns>Fewer bytes than asked for only at the end of the file.</returns>
    int Read(Span<byte> buffer, long offset);

    /// <summary>All of it, or an exception after any part of it.</summary>
    void Write(ReadOnlySpan<byte> bytes, long offset);

    void SetLength(long length);

    /// <summary>Returns when what was written would survive a power cut.</summary>
    void Sync();
}
