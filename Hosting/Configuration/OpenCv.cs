using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>OpenCV, where the program was built with it.</summary>
internal static class OpenCv
{
#if OPENCV
    /// <summary>The one of the process.</summary>
    public static IFrameDecoder? Decoder { get; } = new Dvis.Streaming.Sources.OpenCv.OpenCvDecoder();
#else
    /// <summary>None: built with <c>-p:OpenCv=false</c>.</summary>
    public static IFrameDecoder? Decoder => null;
#endif
}
