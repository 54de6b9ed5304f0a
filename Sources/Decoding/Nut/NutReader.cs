using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding.Nut;

/// <summary>
/// Reader of one raw video stream in NUT, ffmpeg's own container, which keeps sizes, timebase and exact timestamps.
/// Call <see cref="ReadHeaderAsync"/> and <see cref="ReadPayloadAsync"/> in turn. Memory is bounded whatever arrives;
/// what is not valid NUT throws <see cref="SourceException"/>. Checksums are skipped: a pipe flips no bits. One caller
/// at a time. Written after the NUT specification (nut.txt, version 3).
/// </summary>
internal sealed class NutReader(Stream stream)
{
    private const int LargestPacket = 1 << 20;
    private const ulong MainStartcode = 0x4E4D_7A56_1F5F_04AD;
    private const ulong StreamStartcode = 0x4E53_1140_5BF2_F9DB;
    private const ulong SyncpointStartcode = 0x4E4B_E4AD_EECA_4569;
    private static readonly byte[] s_fileId = [.. "nut/multimedia container\0"u8];

    // Holds headers only: pixels are read past it, straight into the frame, but for those that came with the header.
    private byte[] _buffer = new byte[4096];
    private int _start, _end;
    private bool _begun;
    private NutMainHeader? _main;
    private long _lastPts;

    /// <summary>The stream, once the first frame header was read.</summary>
    public NutStreamHeader? Video { get; private set; }

    /// <summary>Bytes of the current frame that <see cref="ReadPayloadAsync"/> has yet to deliver.</summary>
    public int Remaining { get; private set; }

    /// <summary>Timestamp and size of the next frame; null at the end.</summary>
    /// <exception cref="SourceException">Malformed, or ended within a header.</exception>
    public async ValueTask<NutFrame?> ReadHeaderAsync(CancellationToken stop)
    {
        if (Remaining > 0) throw new InvalidOperationException("The previous frame has not been read.");
        while (true)
        {
            if (TryParse(out var used, out var frame))
            {
                _start += used;
                if (frame is not { } f) continue;
                Remaining = f.Bytes;
                return f;
            }

            if (await FillAsync(stop)) continue;
            return _end == _start && _begun ? null : throw NutFault.Truncated();
        }
    }

    /// <summary>Reads the next <c>destination.Length</c> bytes of the current frame.</summary>
    /// <exception cref="SourceException">The stream ended first.</exception>
    public async ValueTask ReadPayloadAsync(Memory<byte> destination, CancellationToken stop)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, Remaining);
        var buffered = Math.Min(destination.Length, _end - _start);
        _buffer.AsMemory(_start, buffered).CopyTo(destination);
        _start += buffered;
        var rest = destination[buffered..];
        var read = await stream.ReadAtLeastAsync(rest, rest.Length, throwOnEndOfStream: false, stop);
        if (read < rest.Length) throw NutFault.Truncated();
        Remaining -= destination.Length;
    }

    private async ValueTask<bool> FillAsync(CancellationToken stop)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _buffer.Length) Array.Resize(ref _buffer, _buffer.Length * 2); // TryParse bounds what it waits for
        var read = await stream.ReadAsync(_buffer.AsMemory(_end), stop);
        _end += read;
        return read > 0;
    }

    // False: more bytes are needed. True without a frame: a packet was read.
    private bool TryParse(out int used, out NutFrame? frame)
    {
        var data = _buffer.AsSpan(_start, _end - _start);
        (used, frame) = (0, null);
        if (data.IsEmpty) return false;
        if (!_begun)
        {
            var known = Math.Min(data.Length, s_fileId.Length);
            if (!data[..known].SequenceEqual(s_fileId.AsSpan(0, known)))
                throw NutFault.Malformed("it does not begin like NUT");
            if (known < s_fileId.Length) return false;
            (_begun, used) = (true, known);
            return true;
        }

        return data[0] == (byte)'N' ? TryParsePacket(data, out used) : TryParseFrame(data, out used, out frame);
    }

    private bool TryParsePacket(ReadOnlySpan<byte> data, out int used)
    {
        used = 0;
        var cursor = new NutCursor(data);
        var startcode = cursor.UInt64();
        var length = cursor.Bounded(LargestPacket);
        if (length > 4096) cursor.SkipChecksum();
        if (cursor.Short || data.Length - cursor.Position < length) return false;
        used = cursor.Position + length;
        if (length < 4) throw NutFault.Malformed("a header is shorter than its checksum");
        var body = data.Slice(cursor.Position, length - 4);

        // Headers are repeated now and then, always the same; the first counts. Info and index packets are skipped.
        if (startcode == MainStartcode) _main ??= NutMainHeader.Parse(body);
        else if (startcode == StreamStartcode && Video is null)
            Video = NutStreamHeader.Parse(body, _main
                ?? throw NutFault.Malformed("a stream header before the main header"));
        else if (startcode == SyncpointStartcode) TakeSyncpoint(body);
        return true;
    }

    private void TakeSyncpoint(ReadOnlySpan<byte> body)
    {
        if (_main is null || Video is null) throw NutFault.Malformed("a syncpoint before the headers");
        var cursor = new NutCursor(body);
        var coded = cursor.Variable();
        if (cursor.Short) throw NutFault.Malformed("a syncpoint is too short");
        var count = (ulong)_main.Timebases.Length;
        var from = _main.Timebases[coded % count];
        var to = Video.Timebase;
        var ticks =
            (Int128)(coded / count) * from.Numerator * to.Denominator / ((Int128)from.Denominator * to.Numerator);
        _lastPts = ticks <= long.MaxValue ? (long)ticks : throw NutFault.Malformed("a timestamp beyond 63 bits");
    }

    private bool TryParseFrame(ReadOnlySpan<byte> data, out int used, out NutFrame? frame)
    {
        (used, frame) = (0, null);
        if (_main is null || Video is null) throw NutFault.Malformed("a frame before the headers");
        var cursor = new NutCursor(data);
        var code = _main.Codes[cursor.Byte()];
        var flags = code.Flags;
        if ((flags & NutFlags.Coded) != 0) flags ^= (NutFlags)cursor.Bounded(int.MaxValue);
        if ((flags & NutFlags.Invalid) != 0) throw NutFault.Malformed("an invalid frame code");
        if ((flags & NutFlags.SideData) != 0) throw NutFault.Malformed("side data, which was not asked for");
        var streamId = (flags & NutFlags.StreamId) != 0 ? cursor.Bounded(255) : code.Stream;
        var pts = (flags & NutFlags.CodedPts) != 0 ? DecodePts(cursor.Variable()) : _lastPts + code.PtsDelta;
        var msb = (flags & NutFlags.SizeMsb) != 0 ? cursor.Variable() : 0;
        if ((flags & NutFlags.MatchTime) != 0) cursor.Signed();
        var header = (flags & NutFlags.HeaderIndex) != 0 ? cursor.Bounded(127) : code.HeaderIndex;
        var reserved = (flags & NutFlags.Reserved) != 0 ? cursor.Bounded(256) : code.Reserved;
        for (var i = 0; i < reserved; i++) cursor.Variable();
        if ((flags & NutFlags.Checksum) != 0) cursor.SkipChecksum();
        if (cursor.Short) return false;
        used = cursor.Position;
        if (streamId != 0) throw NutFault.Malformed($"a frame of stream {streamId}");
        if (header >= _main.ElidedBytes.Length || _main.ElidedBytes[header] != 0)
            throw NutFault.Malformed("an elided header in raw video");

        var size = (Int128)msb * code.SizeMultiplier + code.SizeOffset;
        if (size > (Int128)NutStreamHeader.LargestSide * NutStreamHeader.LargestSide * 3)
            throw NutFault.Malformed($"a frame of {size} bytes");
        _lastPts = pts;
        if (size > 0) frame = new NutFrame(pts, (int)size); // an empty frame only marks the end of the stream
        return true;
    }

    // Short timestamps have the low bits only; the value is the nearest to the previous timestamp.
    private long DecodePts(ulong coded)
    {
        var range = 1UL << Video!.PtsShift;
        if (coded >= range) return (long)(coded - range);
        var mask = (long)range - 1;
        var low = _lastPts - (mask / 2);
        return (((long)coded - low) & mask) + low;
    }
}

/// <summary>Header of a frame.</summary>
/// <param name="Pts">Ticks of the stream's timebase.</param>
/// <param name="Bytes">Size of the pixels that follow.</param>
internal readonly record struct NutFrame(long Pts, int Bytes);
