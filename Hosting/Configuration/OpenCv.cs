using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Decoder with OpenCV.</summary>
internal static class OpenCv
{
#if OPENCV
    /// <summary>The decoder of the process.</summary>
    public static IFrameDecoder? Decoder { get; } = new Dvis.Streaming.Sources.OpenCv.OpenCvDecoder();
#else
    /// <summary>Null: built with <c>-p:OpenCv=false</c>.</summary>
    public static IFrameDecoder? Decoder => null;
#endif
}
