using System.Buffers.Binary;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>RTCP packets of a camera (RFC 3550, section 6.4.1; RFC 2326, section 10.12).</summary>
internal static class RtcpPacket
{
    private static readonly DateTimeOffset s_origin = new(1900, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static double SecondsOf(DateTimeOffset moment) => (moment - s_origin).TotalSeconds;

    /// <param name="seconds">Since 1900; of a later era, what is over 32 bits is left out. 0:
    /// the camera has no clock.</param>
    public static byte[] SenderReport(uint source, double seconds, uint timestamp)
    {
        var packet = new byte[28];
        (packet[0], packet[1], packet[3]) = (0x80, 200, 6);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(4), source);
        BinaryPrimitives.WriteUInt64BigEndian(packet.AsSpan(8),
            (ulong)((UInt128)(seconds * (1L << 32)) & ulong.MaxValue));
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(16), timestamp);
        return packet;
    }

    /// <summary>As it travels in an RTSP connection.</summary>
    public static byte[] Interleaved(byte channel, byte[] packet) =>
        [(byte)'$', channel, (byte)(packet.Length >> 8), (byte)packet.Length, .. packet];
}
