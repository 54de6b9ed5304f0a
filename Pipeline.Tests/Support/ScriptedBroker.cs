using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Packet that a <see cref="ScriptedBroker"/> got.</summary>
/// <param name="Connection">Number of the connection, from 1.</param>
/// <param name="Kind">1 CONNECT, 3 PUBLISH, 8 SUBSCRIBE.</param>
/// <param name="Qos">Of a PUBLISH, or of the will.</param>
/// <param name="Retain">Of a PUBLISH, or of the will.</param>
internal sealed record ScriptedPacket(int Connection, int Kind, int Qos, bool Retain, string Topic, byte[] Body);

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

    /// <summary>Answer to a CONNECT in place of the fixed one.</summary>
    public Func<ScriptedPacket, byte[]>? OnConnect { get; init; }

    /// <summary>Packet id of a SUBSCRIBE to what is sent for it, after which the connection is closed unless it is a
    /// SUBACK.</summary>
    public Func<int, byte[]>? OnSubscribe { get; init; }

    public ConcurrentQueue<ScriptedPacket> Seen { get; } = [];

    public int Connections => Volatile.Read(ref _connections);

    public static byte[] Puback(int id, byte reason) => [0x40, 0x03, (byte)(id >> 8), (byte)id, reason];

    /// <summary>SUBACK of one filter with MQTT 5, or with 3.1.1.</summary>
    public static byte[] Suback(int id, byte reason, bool v5 = true) => v5
        ? [0x90, 0x04, (byte)(id >> 8), (byte)id, 0, reason]
        : [0x90, 0x03, (byte)(id >> 8), (byte)id, reason];

    public IEnumerable<ScriptedPacket> Of(int kind) => Seen.Where(p => p.Kind == kind);

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
        var (stream, connection) = (client.GetStream(), 0);
        try
        {
            while (true)
            {
                var (type, body) = await ReadPacketAsync(stream);
                if (type >> 4 == 1)
                {
                    connection = Interlocked.Increment(ref _connections);
                    var connect =
                        new ScriptedPacket(connection, 1, body[7] >> 3 & 3, (body[7] & 0x20) != 0, "", body);
                    Seen.Enqueue(connect);
                    await stream.WriteAsync(OnConnect is null ? _onConnect : OnConnect(connect), _stop.Token);
                }

                if (type >> 4 == 3)
                {
                    var (qos, topic) = (type >> 1 & 3, body[0] << 8 | body[1]);
                    var name = Encoding.UTF8.GetString(body, 2, topic);
                    Seen.Enqueue(new(connection, 3, qos, (type & 1) != 0, name, body));
                    if (qos == 1 && _onPublish is not null)
                        await stream.WriteAsync(_onPublish(body[2 + topic] << 8 | body[3 + topic]), _stop.Token);
                }

                if (type >> 4 == 8)
                {
                    Seen.Enqueue(new(connection, 8, 0, false, "", body));
                    if (OnSubscribe is null) continue;
                    var answer = OnSubscribe(body[0] << 8 | body[1]);
                    await stream.WriteAsync(answer, _stop.Token);
                    if (answer is not [0x90, ..]) return;
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
