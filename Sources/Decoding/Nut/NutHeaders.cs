using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding.Nut;

/// <summary>Main header of a NUT stream.</summary>
/// <param name="Codes">Indexed by the first byte of a frame.</param>
/// <param name="ElidedBytes">Length of each elision header; entry 0 is empty.</param>
internal sealed record NutMainHeader(Timebase[] Timebases, NutFrameCode[] Codes, int[] ElidedBytes)
{
    private const int FieldsBeyondSpec = 64;
    private const int ElisionLimit = 256;

    /// <param name="body">Packet body without its checksum.</param>
    public static NutMainHeader Parse(ReadOnlySpan<byte> body)
    {
        var cursor = new NutCursor(body);
        var version = cursor.Bounded(int.MaxValue);
        if (version is < 2 or > 4) throw NutFault.Malformed($"version {version}");
        if (version > 3) cursor.Variable();
        var streams = cursor.Bounded(int.MaxValue);
        if (streams != 1) throw NutFault.Malformed($"{streams} streams instead of one");
        cursor.Variable(); // max_distance: only a reader that seeks needs it

        var timebases = new Timebase[cursor.Bounded(64)];
        for (var i = 0; i < timebases.Length; i++)
        {
            timebases[i] = new Timebase(cursor.Bounded(int.MaxValue), cursor.Bounded(int.MaxValue));
            if (timebases[i] is { Numerator: 0 } or { Denominator: 0 })
                throw NutFault.Malformed($"timebase {timebases[i]}");
        }

        var codes = ParseCodes(ref cursor);
        var elided = new int[cursor.Bounded(127) + 1];
        for (var i = 1; i < elided.Length; i++) elided[i] = cursor.Bytes(ElisionLimit).Length;
        if (cursor.Short || timebases.Length == 0) throw NutFault.Malformed("the main header is too short");
        return new NutMainHeader(timebases, codes, elided);
    }

    // The table is run-length coded: a group sets the fields it lists, the others keep the previous group's values.
    private static NutFrameCode[] ParseCodes(ref NutCursor cursor)
    {
        var codes = new NutFrameCode[256];
        long ptsDelta = 0;
        int multiplier = 1, stream = 0, headerIndex = 0;
        for (var i = 0; i < 256;)
        {
            var flags = (NutFlags)cursor.Bounded(int.MaxValue);
            var fields = cursor.Bounded(FieldsBeyondSpec);
            if (fields > 0) ptsDelta = cursor.Signed();
            if (fields > 1) multiplier = cursor.Bounded(int.MaxValue);
            if (fields > 2) stream = cursor.Bounded(255);
            var size = fields > 3 ? cursor.Bounded(int.MaxValue) : 0;
            var reserved = fields > 4 ? cursor.Bounded(256) : 0;
            var count = fields > 5 ? cursor.Bounded(256) : multiplier - size;
            if (fields > 6) cursor.Signed();
            if (fields > 7) headerIndex = cursor.Bounded(127);
            for (var extra = 8; extra < fields; extra++) cursor.Variable();
            if (cursor.Short) throw NutFault.Malformed("the frame code table is too short");
            if (count is <= 0 or > 256) throw NutFault.Malformed($"a run of {count} frame codes");

            for (var j = 0; j < count && i < 256; i++)
            {
                // 'N' begins startcodes and is not a frame code; it does not count in the run.
                codes[i] = i == 'N' ? new NutFrameCode(NutFlags.Invalid, 0, 0, 1, 0, 0, 0)
                    : new NutFrameCode(flags, stream, ptsDelta, multiplier, size + (long)j++, reserved, headerIndex);
            }
        }

        return codes;
    }
}

/// <summary>Header of the video stream, packed RGB24.</summary>
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
        cursor.Variable(); // decode_delay: raw frames are in display order
        cursor.Variable(); // stream_flags
        cursor.Bytes(4096); // codec_specific_data
        var (width, height) = (cursor.Variable(), cursor.Variable());
        if (cursor.Short) throw NutFault.Malformed("the stream header is too short");
        if (width is 0 or > LargestSide || height is 0 or > LargestSide)
            throw NutFault.Malformed(
                $"a frame of {width}x{height}; sides of 1 to {LargestSide} pixels are supported");
        return new NutStreamHeader((int)width, (int)height, main.Timebases[timebase], shift);
    }
}

/// <summary>Defaults of the frames that begin with one code.</summary>
/// <param name="SizeMultiplier">Unit of the coded size.</param>
/// <param name="SizeOffset">Added to the coded size.</param>
internal readonly record struct NutFrameCode(
    NutFlags Flags, int Stream, long PtsDelta, int SizeMultiplier, long SizeOffset, int Reserved, int HeaderIndex);

[Flags]
internal enum NutFlags
{
    Key = 1, EndOfRelevance = 2, CodedPts = 8, StreamId = 16, SizeMsb = 32, Checksum = 64, Reserved = 128,
    SideData = 256, HeaderIndex = 1024, MatchTime = 2048, Coded = 4096, Invalid = 8192,
}
