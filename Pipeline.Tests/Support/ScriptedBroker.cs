using System.Net;
using System.Net.Sockets;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>A peer that answers CONNECT and PUBLISH with bytes a test chose:
/// for what no real broker does on demand.</summary>
internal sealed class ScriptedBroker : IAsyncDisposable
{
    public static readonly byte[] Accepted = [0x20, 0x03, 0x00, 0x00, 0x00];

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly byte[] _onConnect;
    private readonly Func<int, byte[]>? _onPublish;
    private readonly Task _serving;
    private int _connections;

    /// <param name="onConnect">Sent after each CONNECT.</param>
    /// <param name="onPublish">Packet id of a QoS 1 PUBLISH to what is sent for it.</param>
    public ScriptedBroker(byte[] onConnect, Func<int, byte[]>? onPublish = null)
    {
        (_onConnect, _onPublish) = (onConnect, onPublish);
        _listener.Start();
        _serving = ServeAsync();
    }

    public string Url => $"mqtt://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public int Connections => Volatile.Read(ref _connections);

    public static byte[] Puback(int id, byte reason) => [0x40, 0x03, (byte)(id >> 8), (byte)id, reason];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        var clients = new List<Task>();
        try
        {
            while (true) clients.Add(TalkAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(clients);
        }
    }

    private async Task TalkAsync(TcpClient client)
    {
        using var _ = client;
        var stream = client.GetStream();
        try
        {
            while (true)
            {
                var (type, body) = await ReadPacketAsync(stream);
                if (type >> 4 == 1)
                {
                    Interlocked.Increment(ref _connections);
                    await stream.WriteAsync(_onConnect, _stop.Token);
                }

                if (type >> 4 == 3 && (type & 6) == 2 && _onPublish is not null)
                {
                    var topic = body[0] << 8 | body[1];
                    await stream.WriteAsync(_onPublish(body[2 + topic] << 8 | body[3 + topic]), _stop.Token);
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client has gone, or the test is over.
        }
    }

    private async Task<(int Type, byte[] Body)> ReadPacketAsync(NetworkStream stream)
    {
        var one = new byte[1];
        await stream.ReadExactlyAsync(one, _stop.Token);
        int type = one[0], length = 0;
        for (var shift = 0; ; shift += 7)
        {
            await stream.ReadExactlyAsync(one, _stop.Token);
            length |= (one[0] & 0x7F) << shift;
            if (one[0] < 0x80) break;
        }

        var body = new byte[length];
        await stream.ReadExactlyAsync(body, _stop.Token);
        return (type, body);
    }
}
