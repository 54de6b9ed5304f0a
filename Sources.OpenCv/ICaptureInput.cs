using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using OpenCvSharp;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>What a capture reads: a file or a device. Opened and read on the session's thread.</summary>
internal interface ICaptureInput
{
    const int TicksPerSecond = 1_000_000;

    /// <summary>False when OpenCV cannot open it.</summary>
    /// <exception cref="SourceException">It cannot be opened, for a reason that is known.</exception>
    bool Open(VideoCapture capture);

    /// <summary>Timestamp of the frame that was read last, in ticks of 1/<see cref="TicksPerSecond"/> s.</summary>
    long Pts(VideoCapture capture);

    /// <summary>Why the frames ended; null: the input is over.</summary>
    /// <param name="log">FFmpeg's messages.</param>
    /// <param name="frames">Frames that were read.</param>
    /// <param name="lastRead">Duration of the read that gave none.</param>
    SourceException? End(FfmpegLog log, long frames, TimeSpan lastRead);

    /// <summary>What OpenCV gives as the timestamp, in ticks.</summary>
    static long Position(VideoCapture capture)
        => (long)Math.Round(capture.Get(VideoCaptureProperties.PosMsec) * (TicksPerSecond / 1000));
}
