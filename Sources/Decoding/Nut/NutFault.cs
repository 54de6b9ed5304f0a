using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding.Nut;

internal static class NutFault
{
    /// <summary>The bytes are not the NUT that was asked for.</summary>
    public static SourceException Malformed(string what) =>
        new(SourceFault.DecodeErrors, $"The decoder's output is not valid NUT: {what}.");

    /// <summary>The stream stopped within a header or a picture: the decoder died.</summary>
    public static SourceException Truncated() => new(SourceFault.Eof, "The decoder's output ended within a picture.");
}
