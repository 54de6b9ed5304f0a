using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>Source without supervision: each enumeration is one session.</summary>
internal interface IRawSource
{
    /// <summary>As <see cref="IFrameSource.IsLive"/>.</summary>
    bool IsLive { get; }

    /// <summary>Facts of the newest frame's decoder; null before the first frame and without a decoder.</summary>
    IDecoderFacts? Decoder { get; }

    /// <summary>Packets of the session, whether or not they could be decoded; 0: none, or they are not seen.</summary>
    long Packets => 0;

    /// <summary>Reads until the source ends or <paramref name="stop"/> is cancelled.</summary>
    /// <exception cref="SourceException">The session has failed.</exception>
    IAsyncEnumerable<RawFrame> ReadAsync(CancellationToken stop);
}

/// <summary>Decoded frame with what its decoder reports of it.</summary>
/// <param name="Frame">Without <see cref="Frame.Info"/>; the reader owns it.</param>
/// <param name="Pts">Media time in ticks of <paramref name="Timebase"/>, as the input has it.</param>
/// <param name="ReceivedTicks">As <see cref="FrameInfo.ReceivedTicks"/>.</param>
/// <param name="Received">UTC at the same moment.</param>
public readonly record struct RawFrame(
    Frame Frame, long Pts, Timebase Timebase, long ReceivedTicks, DateTimeOffset Received)
{
    /// <summary>First frame of a run of the decoder, or of another size than the frame before.</summary>
    public bool Begins { get; init; }

    /// <summary>Frame numbers left out before this frame.</summary>
    public long Skipped { get; init; }

    /// <summary>Estimated capture time; null: nothing better than the arrival.</summary>
    public CaptureTime? Capture { get; init; }

    /// <summary>Gives the frame its info, with what only the supervision can decide.</summary>
    public Frame Stamp(string camera, long frameId, int session, long pts, CaptureTime capture)
    {
        Frame.Info = new FrameInfo(camera, frameId, session, pts, Timebase, ReceivedTicks, Received, capture,
            Frame.Width, Frame.Height);
        return Frame;
    }
}
