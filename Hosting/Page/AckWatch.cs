using System.Buffers.Binary;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Dvis.Streaming.Hosting.Page;

/// <summary>
/// Watch over what a client receives: the server buffers megabytes before a write waits, so that a client which does
/// not read would hold them for minutes. Works on Linux; elsewhere no client is found.
/// </summary>
internal sealed class AckWatch(HttpContext context, TimeProvider time)
{
    // struct tcp_info of linux/tcp.h: getsockopt(IPPROTO_TCP, TCP_INFO).
    private const int ProtocolTcp = 6, TcpInfo = 11, UnackedOffset = 24, BytesAckedOffset = 120, NotSentOffset = 144;

    private readonly Socket? _socket =
        OperatingSystem.IsLinux() ? context.Features.Get<IConnectionSocketFeature>()?.Socket : null;
    private long _acked = -1;
    private long _since = time.GetTimestamp();

    /// <summary>Time for which the client has acknowledged nothing of what waits for it.</summary>
    public TimeSpan Stalled()
    {
        Span<byte> info = stackalloc byte[256];
        var now = time.GetTimestamp();
        if (_socket is null || Read(info) < NotSentOffset + sizeof(uint)) return TimeSpan.Zero;
        var acked = BinaryPrimitives.ReadInt64LittleEndian(info[BytesAckedOffset..]);
        var waits = BinaryPrimitives.ReadUInt32LittleEndian(info[UnackedOffset..]) > 0
            || BinaryPrimitives.ReadUInt32LittleEndian(info[NotSentOffset..]) > 0;
        if (acked != _acked || !waits) (_acked, _since) = (acked, now);
        return time.GetElapsedTime(_since, now);
    }

    private int Read(Span<byte> info)
    {
        try
        {
            return _socket!.GetRawSocketOption(ProtocolTcp, TcpInfo, info);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0; // closed meanwhile; the next write ends the response
        }
    }
}
