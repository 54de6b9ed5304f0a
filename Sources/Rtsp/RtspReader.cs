namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>
/// Reader that cuts an RTSP connection into units, as many packets at once as have come. Cameras send bytes between
/// packets that belong to nothing: after them the next unit is a packet of a known channel, or a response.
/// </summary>
/// <param name="channels">Channels that carry packets, added by the caller; empty: not known yet.</param>
internal sealed class RtspReader(Stream stream, IReadOnlySet<int> channels)
{
    private const int MostNoise = 1 << 18; // bytes without a unit: some of the longest packets, cut off or overwritten
    private const int ShortestPacket = 8;  // of RTCP; RTP has 12

    // Holds the longest unit, and is below the large-object heap of the garbage collector.
    private readonly byte[] _buffer = new byte[80_000];
    private int _start, _end, _noise;

    public RtspReader(Stream stream) : this(stream, new HashSet<int>())
    {
    }

    /// <summary>Kind of the last result of <see cref="ReadAsync"/>.</summary>
    public RtspUnit Unit { get; private set; }

    /// <summary>One message, packets, or noise; empty at the end. Valid until the next call.</summary>
    /// <exception cref="FormatException">Not RTSP.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken stop)
    {
        while (true)
        {
            (Unit, var length) = Cut(_buffer.AsSpan(_start, _end - _start));
            if (Unit != RtspUnit.Incomplete)
            {
                _noise = Unit == RtspUnit.Noise ? _noise + length : 0;
                if (_noise > MostNoise) throw new FormatException("bytes without a message or a packet");
                _start += length;
                return _buffer.AsMemory(_start - length, length);
            }

            if (await FillAsync(Math.Max(length, _end - _start + 1), stop)) continue;
            return _noise == 0 ? default(ReadOnlyMemory<byte>) : throw new FormatException("it ends with noise");
        }
    }

    private async ValueTask<bool> FillAsync(int wanted, CancellationToken stop)
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        // Counted one by one, so that a call after one that was cancelled goes on where that ended.
        while (_end < wanted && await stream.ReadAsync(_buffer.AsMemory(_end), stop) is > 0 and var read) _end += read;
        return _end >= wanted;
    }

    private (RtspUnit Unit, int Length) Cut(ReadOnlySpan<byte> bytes)
    {
        if (Begins(bytes, isLost: _noise > 0) is not { } begins) return (RtspUnit.Incomplete, 0);
        if (!begins)
        {
            var noise = 1;
            while (Begins(bytes[noise..], isLost: true) == false) noise++;
            return (RtspUnit.Noise, noise);
        }

        var (unit, length) = RtspMessage.Next(bytes);
        if (unit != RtspUnit.Data) return (unit, length);
        while (Begins(bytes[length..], isLost: false) == true
            && RtspMessage.Next(bytes[length..]) is (RtspUnit.Data, var more)) length += more;
        return (unit, length);
    }

    // True: a unit begins here; null: more bytes must come to know it. After noise the marks must be surer.
    private bool? Begins(ReadOnlySpan<byte> bytes, bool isLost)
    {
        if (bytes.IsEmpty) return null;
        return bytes[0] switch
        {
            (byte)'\r' or (byte)'\n' => !isLost,
            (byte)'$' => BeginsPacket(bytes, isLost),
            _ => BeginsMessage(bytes, isLost),
        };
    }

    private bool? BeginsPacket(ReadOnlySpan<byte> bytes, bool isLost)
    {
        if (channels.Count == 0 && !isLost) return true;
        if (bytes.Length < 4) return null;
        if (((bytes[2] << 8) | bytes[3]) < ShortestPacket) return false;
        if (bytes.Length == 4) return null;
        var isRtp = bytes[4] >> 6 == 2;
        var isKnown = channels.Contains(bytes[1]);
        return isLost ? isRtp && (isKnown || channels.Count == 0) : isRtp || isKnown;
    }

    private static bool? BeginsMessage(ReadOnlySpan<byte> bytes, bool isLost)
    {
        var response = "RTSP/"u8;
        var seen = Math.Min(bytes.Length, response.Length);
        if (bytes[..seen].SequenceEqual(response[..seen])) return seen == response.Length ? true : null;
        if (isLost) return false;
        var end = bytes.IndexOf((byte)'\n');
        var line = end < 0 ? bytes : bytes[..end];
        if (line.TrimEnd((byte)'\r').ContainsAnyExceptInRange((byte)' ', (byte)'~')) return false;
        if (end >= 0) return line.IndexOf(" RTSP/"u8) >= 0;
        return bytes.Length < RtspMessage.LongestUnit ? null : false;
    }
}
