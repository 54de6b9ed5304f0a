using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using OpenCvSharp;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>Video file. Timestamps count from the beginning of the stream, unlike the container's.</summary>
internal sealed class FileInput(string path) : ICaptureInput
{
    private const double DefaultFps = 25;
    private long _last = -1;
    private long _step;

    public bool Open(VideoCapture capture)
    {
        if (!capture.Open(path, VideoCaptureAPIs.FFMPEG)) return false;
        var fps = capture.Fps is > 0 and < 1000 and var stated ? stated : DefaultFps;
        _step = (long)Math.Round(ICaptureInput.TicksPerSecond / fps);
        return true;
    }

    // Raw streams have no timestamps (OpenCV gives 0), and a container's may step back: such frames are counted.
    public long Pts(VideoCapture capture)
    {
        var pts = ICaptureInput.Position(capture);
        return _last = pts > _last ? pts : _last + _step;
    }

    public SourceException? End(FfmpegLog log, long frames, TimeSpan lastRead)
        => frames > 0 && log.DecodeErrors == 0
            ? null
            : log.Judge(frames, "There is no video in it that OpenCV can decode.");
}
