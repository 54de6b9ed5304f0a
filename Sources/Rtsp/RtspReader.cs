namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>Reader that cuts an RTSP connection into units, as many packets at once as have come.</summary>
internal sealed class RtspReader(Stream stream)
{
    // Holds the longest unit, and is below the large-object heap of the garbage collector.
    private readonly byte[] _buffer = new byte[80_000];
    private int _start, _end;

    /// <summary>Kind of the last result of <see cref="ReadAsync"/>.</summary>
    public RtspUnit Unit { get; private set; }

    /// <summary>One message, or packets; empty at the end. Valid until the next call.</summary>
    /// <exception cref="FormatException">Not RTSP.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken stop)
    {
        while (true)
        {
            (Unit, var length) = Cut(_buffer.AsSpan(_start, _end - _start));
            if (Unit != RtspUnit.Incomplete)
            {
                _start += length;
                return _buffer.AsMemory(_start - length, length);
            }

            if (!await FillAsync(Math.Max(length, _end - _start + 1), stop)) return default;
        }
    }

    private async ValueTask<bool> FillAsync(int wanted, CancellationToken stop)
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        var read =
            await stream.ReadAtLeastAsync(_buffer.AsMemory(_end), wanted - _end, throwOnEndOfStream: false, stop);
        _end += read;
        return _end >= wanted;
    }

    private static (RtspUnit Unit, int Length) Cut(ReadOnlySpan<byte> bytes)
    {
        var (unit, length) = RtspMessage.Next(bytes);
        if (unit != RtspUnit.Data) return (unit, length);
        while (RtspMessage.Next(bytes[length..]) is (RtspUnit.Data, var more)) length += more;
        return (unit, length);
    }
}
