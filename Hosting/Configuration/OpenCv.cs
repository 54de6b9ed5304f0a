using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>OpenCV, where the program was built with it.</summary>
internal static class OpenCv
{
    /// <summary>The one of the process; null in builds with <c>-p:OpenCv=false</c>.</summary>
    public static IFrameDecoder? Decoder { get; } =
#if OPENCV
        new Dvis.Streaming.Sources.OpenCv.OpenCvDecoder();
#else
        null;
#endif
}
