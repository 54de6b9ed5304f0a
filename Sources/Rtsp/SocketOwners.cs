using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>Whose the two ends of a connection on loopback are.</summary>
internal static class SocketOwners
{
    private const string Table = "/proc/self/net/tcp";

    /// <summary>Both belong to one user, as the kernel's table says; true where there is no table,
    /// or none with our own end in it.</summary>
    /// <param name="ours">IPv4.</param>
    /// <param name="theirs">IPv4.</param>
    public static bool Same(IPEndPoint ours, IPEndPoint theirs)
    {
        if (!File.Exists(Table)) return true;
        string? own = null, other = null;
        var (here, there) = (Hex(ours), Hex(theirs));
        foreach (var line in File.ReadLines(Table))
        {
            // "0: 0100007F:1F90 0100007F:A2C4 01 00000000:00000000 00:00000000 00000000  1000 ..."
            if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                is not [_, var local, var remote, _, _, _, _, var user, ..]) continue;
            if (local == here && remote == there) own = user;
            if (local == there && remote == here) other = user;
        }

        return own is null || own == other;
    }

    // The kernel prints the address as the number that its bytes are on this machine.
    private static string Hex(IPEndPoint end)
    {
        var bytes = end.Address.MapToIPv4().GetAddressBytes();
        var number = BitConverter.IsLittleEndian
            ? BinaryPrimitives.ReadUInt32LittleEndian(bytes)
            : BinaryPrimitives.ReadUInt32BigEndian(bytes);
        return string.Create(CultureInfo.InvariantCulture, $"{number:X8}:{end.Port:X4}");
    }
}
