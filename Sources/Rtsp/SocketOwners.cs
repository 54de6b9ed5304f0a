using System.Globalization;
using System.Net;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>Owners of the two ends of a connection on loopback.</summary>
internal static class SocketOwners
{
    private const string Table = "/proc/self/net/tcp";

    /// <summary>True when both ends belong to one user, or when the kernel's table lacks our end.</summary>
    /// <param name="ours">IPv4.</param>
    /// <param name="theirs">IPv4.</param>
    public static bool Same(IPEndPoint ours, IPEndPoint theirs)
    {
        if (!File.Exists(Table)) return true;
        // "0: 0100007F:1F90 0100007F:A2C4 01 00000000:00000000 00:00000000 00000000  1000 ..."
        var rows = File.ReadLines(Table).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(row => row.Length > 7).ToLookup(row => (Local: row[1], Remote: row[2]), row => row[7]);
        var (here, there) = (Hex(ours), Hex(theirs));
        return rows[(here, there)].LastOrDefault() is not { } own || own == rows[(there, here)].LastOrDefault();
    }

    // The kernel prints the address as the number that its bytes are on this machine.
    private static string Hex(IPEndPoint end) => string.Create(CultureInfo.InvariantCulture,
        $"{BitConverter.ToUInt32(end.Address.MapToIPv4().GetAddressBytes()):X8}:{end.Port:X4}");
}
