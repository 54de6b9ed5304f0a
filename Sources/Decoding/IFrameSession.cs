using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>Facts that a decoder reports of its input.</summary>
public interface IDecoderFacts
{
    /// <summary>For example <c>h264</c>; null until known.</summary>
    string? Codec { get; }

    /// <summary>Frames per second that the input declares; null when it declares none.</summary>
    double? NominalFps { get; }

    /// <summary>Errors that demuxer and decoder reported so far.</summary>
    long DecodeErrors { get; }
}

/// <summary>One run of a decoder over one input, for one caller at a time; disposing ends it.</summary>
public interface IFrameSession : IAsyncDisposable
{
    IDecoderFacts Facts { get; }

    /// <summary>Frames read so far.</summary>
    long Frames { get; }

    /// <summary>The next frame; null at the end (see <see cref="EndAsync"/>) and after cancellation.</summary>
    /// <exception cref="SourceException">The input cannot be opened or read.</exception>
    Task<RawFrame?> ReadAsync(CancellationToken stop);

    /// <summary>Reason of the end; null when the input was read to its end without errors.</summary>
    Task<SourceException?> EndAsync();
}

/// <summary>Decoder in a project of its own, which a build may leave out. Thread-safe.</summary>
public interface IFrameDecoder
{
    /// <summary>A session for the device or the file of <paramref name="options"/>; opened by its first read.</summary>
    /// <param name="abandoned">Receives <see cref="AbandonedThreads"/> when the session changes it.</param>
    /// <exception cref="SourceException">The decoder does not work on this machine, or has stalled on this input too
    /// often.</exception>
    IFrameSession Start(
        string camera, SourceOptions options, FramePool pool, TimeProvider time, Action<long>? abandoned = null);

    /// <summary>Threads left behind in a call on this path that has not returned.</summary>
    long AbandonedThreads(string path);
}
