using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding.Nut;

/// <summary>The one video stream: packed RGB24.</summary>
/// <param name="Width">Pixels, 1 … <see cref="LargestSide"/>.</param>
/// <param name="PtsShift">Timestamps below 2^shift are coded by their low bits only.</param>
internal sealed record NutStreamHeader(int Width, int Height, Timebase Timebase, int PtsShift)
{
    public const int LargestSide = 16384;

    /// <param name="body">Packet body without its checksum.</param>
    public static NutStreamHeader Parse(ReadOnlySpan<byte> body, NutMainHeader main)
    {
        var cursor = new NutCursor(body);
        var id = cursor.Bounded(255);
        var kind = cursor.Bounded(255);
        var format = cursor.Bytes(16);
        if (id != 0 || kind != 0 || !format.SequenceEqual("RGB\x18"u8))
            throw NutFault.Malformed("the stream is not rgb24 video");
        var timebase = cursor.Bounded(int.MaxValue);
        if (timebase >= main.Timebases.Length) throw NutFault.Malformed($"timebase number {timebase}");
        var shift = cursor.Bounded(62);
        cursor.Variable(); // max_pts_distance
        cursor.Variable(); // decode_delay: raw pictures are in display order
        cursor.Variable(); // stream_flags
        cursor.Bytes(4096); // codec_specific_data
        var (width, height) = (cursor.Variable(), cursor.Variable());
        if (cursor.Short) throw NutFault.Malformed("the stream header is too short");
        if (width is 0 or > LargestSide || height is 0 or > LargestSide)
            throw NutFault.Malformed(
                $"a picture of {width}x{height}; sides of 1 to {LargestSide} pixels are supported");
        return new NutStreamHeader((int)width, (int)height, main.Timebases[timebase], shift);
    }
}
