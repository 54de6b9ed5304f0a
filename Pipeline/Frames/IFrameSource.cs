namespace Dvis.Streaming.Pipeline.Frames;

/// <summary>Port of the sources: a stream of frames of one camera, in order, each owned by the reader.</summary>
public interface IFrameSource
{
    string Camera { get; }

    /// <summary>True when late frames are dropped, not queued. Files are not live.</summary>
    bool IsLive { get; }

    /// <summary>
    /// Reads until the source ends or <paramref name="stop"/> is cancelled. A camera reconnects and ends only then;
    /// a file also ends when it is over.
    /// </summary>
    IAsyncEnumerable<Frame> ReadAsync(CancellationToken stop);
}

/// <summary>Why a source failed or a camera is offline; on the wire in snake case.</summary>
public enum SourceFault
{
    Ok, AuthFailed, NotFound, Timeout, Refused, Stalled, Eof, CodecUnsupported, DecodeErrors, Tls, Config, Unknown,
}

/// <summary>Failure of a source session for a known reason. The message has no passwords.</summary>
public sealed class SourceException(SourceFault fault, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public SourceFault Fault { get; } = fault;
}
