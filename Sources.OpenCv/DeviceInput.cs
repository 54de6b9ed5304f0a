using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;
using OpenCvSharp;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>A V4L2 capture device. Timestamps are the driver's, on the kernel's monotonic clock.</summary>
internal sealed class DeviceInput(string path, DeviceOptions options) : ICaptureInput
{
    // OpenCV ends a read after 10 s; an unplugged device ends it at once.
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(5);

    public bool Open(VideoCapture capture)
    {
        V4l2Node.Require(path);
        if (!capture.Open(path, VideoCaptureAPIs.V4L2)) return false;
        Configure(capture);
        return true;
    }

    public long Pts(VideoCapture capture) => ICaptureInput.Position(capture);

    public SourceException? End(FfmpegLog log, long frames, TimeSpan lastRead)
    {
        if (!File.Exists(path)) return new SourceException(SourceFault.NotFound, "The device is gone.");
        if (lastRead > s_silence) return new SourceException(SourceFault.Stalled, "The device sends no frames.");
        return frames > 0
            ? new SourceException(SourceFault.Eof, "The device ended the stream.")
            : new SourceException(SourceFault.Refused,
                "OpenCV cannot capture from it; another program may be using it.");
    }

    // The format first: sizes and rates depend on it.
    private void Configure(VideoCapture capture)
    {
        if (options.Format != DeviceFormat.Auto)
        {
            var format = options.Format.ToString().ToUpperInvariant();
            capture.Set(VideoCaptureProperties.FourCC, VideoWriter.FourCC(format[0], format[1], format[2], format[3]));
            Expect(format, capture.FourCC);
        }

        if (options.Width > 0)
        {
            capture.Set(VideoCaptureProperties.FrameWidth, options.Width);
            capture.Set(VideoCaptureProperties.FrameHeight, options.Height);
            Expect($"{options.Width}x{options.Height}", $"{capture.FrameWidth}x{capture.FrameHeight}");
        }

        if (options.Fps > 0) capture.Set(VideoCaptureProperties.Fps, options.Fps); // the driver takes the nearest
    }

    private static void Expect(string asked, string got)
    {
        if (asked == got) return;
        throw new SourceException(SourceFault.Config, $"The device was asked for {asked} and offers {got}.");
    }
}
