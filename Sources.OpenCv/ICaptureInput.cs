using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using OpenCvSharp;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>Input of a capture: a file or a device. Opened and read on the session's thread.</summary>
internal interface ICaptureInput
{
    const int TicksPerSecond = 1_000_000;

    /// <summary>False when OpenCV cannot open it.</summary>
    /// <exception cref="SourceException">It cannot be opened, for a known reason.</exception>
    bool Open(VideoCapture capture);

    /// <summary>Timestamp of the last frame in ticks of 1/<see cref="TicksPerSecond"/> s.</summary>
    long Pts(VideoCapture capture);

    /// <summary>Reason of the end; null: the input is over.</summary>
    /// <param name="log">FFmpeg's messages.</param>
    /// <param name="frames">Frames that were read.</param>
    /// <param name="lastRead">Duration of the read that gave none.</param>
    SourceException? End(FfmpegLog log, long frames, TimeSpan lastRead);

    /// <summary>OpenCV's timestamp in ticks.</summary>
    static long Position(VideoCapture capture)
        => (long)Math.Round(capture.Get(VideoCaptureProperties.PosMsec) * (TicksPerSecond / 1000));
}
