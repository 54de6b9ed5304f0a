using System.Net;
using System.Net.Sockets;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Ports for servers that cannot choose one themselves: below those that the kernel gives out,
/// so that no other socket gets them meanwhile.</summary>
internal static class FreePorts
{
    private const int First = 20_000, Count = 12_000;
    private static int s_last = Random.Shared.Next(Count);

    public static int Next()
    {
        while (true)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref s_last) % Count);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody's.
            }
        }
    }

    /// <summary>True when a server accepts connections at the port.</summary>
    public static async Task<bool> IsOpenAsync(int port)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
