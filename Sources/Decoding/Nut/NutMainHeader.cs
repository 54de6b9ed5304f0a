using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding.Nut;

/// <summary>What the main header says: timebases, the meaning of each frame code,
/// and what is elided from frames.</summary>
internal sealed class NutMainHeader
{
    private const int FieldsBeyondSpec = 64;
    private const int ElisionLimit = 256;

    private NutMainHeader(Timebase[] timebases, NutFrameCode[] codes, int[] elided)
        => (Timebases, Codes, ElidedBytes) = (timebases, codes, elided);

    public Timebase[] Timebases { get; }

    /// <summary>Indexed by the first byte of a frame.</summary>
    public NutFrameCode[] Codes { get; }

    /// <summary>Length of each elision header; entry 0 is empty.</summary>
    public int[] ElidedBytes { get; }

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
                // 'N' begins startcodes and is never a frame code; it does not use up the run.
                codes[i] = i == 'N' ? new NutFrameCode(NutFlags.Invalid, 0, 0, 1, 0, 0, 0)
                    : new NutFrameCode(flags, stream, ptsDelta, multiplier, size + (long)j++, reserved, headerIndex);
            }
        }

        return codes;
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
