using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using MQTTnet.Exceptions;
using MQTTnet.Formatter;
using MQTTnet.Packets;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>The transport alone, against brokers that misbehave.</summary>
public sealed class MqttNetTransportTests
{
    private static readonly MqttTopic s_tracks = new("a/tracks", "tracks", 0), s_final = new("a/final", "final", 1);

    // CONNACK with a Maximum Packet Size of 100.
    private static readonly byte[] s_smallPackets = [0x20, 0x08, 0x00, 0x00, 0x05, 0x27, 0x00, 0x00, 0x00, 0x64];

    [Fact]
    public async Task ConnectAsync_ResetDuringTheHandshake_IsTls()
    {
        using var listener = Listen();
        var resetting = ResetAsync(listener);
        var result = await ConnectAsync($"mqtts://127.0.0.1:{Port(listener)}", new());
        Assert.Equal((null, MqttFault.Tls), (result.Connection, result.Outcome.Fault));
        await resetting;
    }

    [Fact]
    public async Task ConnectAsync_ClosedAfterConnect_IsConnectionLost()
    {
        using var listener = Listen();
        var resetting = ResetAsync(listener);
        var result = await ConnectAsync($"mqtt://127.0.0.1:{Port(listener)}", new());
        Assert.Equal((null, MqttFault.ConnectionLost), (result.Connection, result.Outcome.Fault));
        await resetting;
    }

    [Fact]
    public async Task ConnectAsync_BrokerWantsACertificateAndGetsNone_IsTls()
    {
        var folder = "";
        await using var broker = await MosquittoBroker.StartAsync(
            [
                "cafile {folder}/ca.pem", "certfile {folder}/server.pem", "keyfile {folder}/server.key",
                "require_certificate true",
            ],
            prepare: f => TestCertificates.Write(folder = f, "localhost", "server"),
            announceReady: false);
        var url = $"mqtts://localhost:{broker.Port}";
        var result = await ConnectAsync(url, new(), o => o.Tls.Ca = Path.Combine(folder, "ca.pem"));
        Assert.Equal((null, MqttFault.Tls), (result.Connection, result.Outcome.Fault));
    }

    [Fact]
    public async Task ConnectAsync_CaFileWithoutACertificate_IsConfig()
    {
        await using var broker = await MosquittoBroker.StartAsync(announceReady: false);
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder.Path("ca.pem"), "nothing");
        var url = $"mqtts://localhost:{broker.Port}";
        var result = await ConnectAsync(url, new(), o => o.Tls.Ca = folder.Path("ca.pem"));
        Assert.Equal((null, MqttFault.Config), (result.Connection, result.Outcome.Fault));
        Assert.Contains(folder.Path("ca.pem"), result.Outcome.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ConnectAsync_BrokerOfAnOlderMqtt_IsUnsupportedProtocol()
    {
        await using var broker = new ScriptedBroker([0x20, 0x02, 0x00, 0x01]); // a CONNACK of MQTT 3.1.1
        var result = await ConnectAsync(broker.Url, new());
        Assert.Equal((null, MqttFault.UnsupportedProtocol), (result.Connection, result.Outcome.Fault));
    }

    [Fact]
    public async Task Publish_MaximumPacketSize_IsTheWholePacketsToTheByte()
    {
        await using var broker = new ScriptedBroker(s_smallPackets, id => ScriptedBroker.Puback(id, 0));
        var listener = new ListenerProbe();
        var result = await ConnectAsync(broker.Url, listener);
        await using var connection = result.Connection!;
        Assert.Equal(100, result.Limits.MaximumPacketSize);
        // Fixed header 2, topic 2 + 7, packet identifier 2, no properties 1.
        Assert.Equal(MqttHandOver.TooLarge, connection.Publish(new(s_final, new byte[87]), 1));
        Assert.Equal(MqttHandOver.Accepted, connection.Publish(new(s_final, new byte[86]), 2));
        await Eventually.TrueAsync(() => listener.Acknowledged.Contains((2, 0)));
        Assert.DoesNotContain(listener.Acknowledged, a => a.Token == 1);
    }

    [Theory, InlineData("+/tracks"), InlineData("a/#"), InlineData("")]
    public async Task Publish_TopicThatIsNone_IsInvalidAndTheConnectionGoesOn(string topic)
    {
        await using var broker = new ScriptedBroker(ScriptedBroker.Accepted, id => ScriptedBroker.Puback(id, 0));
        var listener = new ListenerProbe();
        await using var connection = (await ConnectAsync(broker.Url, listener)).Connection!;
        Assert.Equal(MqttHandOver.Invalid, connection.Publish(new(new(topic, "tracks", 0), new byte[1]), 0));
        Assert.Equal(MqttHandOver.Accepted, connection.Publish(new(s_final, new byte[1]), 7));
        await Eventually.TrueAsync(() => listener.Acknowledged.Contains((7, 0)));
    }

    [Fact]
    public async Task Publish_BrokerReadsNothing_NeverWaitsAndDisposingEndsIt()
    {
        using var server = Listen();
        var accepting = AcceptAsync(server, ScriptedBroker.Accepted);
        var listener = new ListenerProbe();
        var connection = (await ConnectAsync($"mqtt://127.0.0.1:{Port(server)}", listener)).Connection!;
        using var _ = await accepting;
        // More than the buffers of both sockets hold.
        var message = new MqttMessage(s_tracks, new byte[65536]);
        for (var i = 0; i < 512; i++) Assert.Equal(MqttHandOver.Accepted, connection.Publish(message, 0));
        Assert.False(connection.Ended.IsCompleted);
        await connection.DisposeAsync();
        Assert.Equal(MqttFault.ConnectionLost, (await connection.Ended).Fault);
        Assert.InRange(listener.Written, 0, 511);
        Assert.Equal(MqttHandOver.Closed, connection.Publish(new(s_tracks, new byte[1]), 0));
    }

    [Fact]
    public async Task KeepAlive_NothingComesWhileFramesGoOut_EndsTheConnection()
    {
        await using var broker = new ScriptedBroker(ScriptedBroker.Accepted); // answers no ping
        var (listener, time) = (new ListenerProbe(), new ManualTime());
        var result = await ConnectAsync(broker.Url, listener, o => o.KeepAlive = TimeSpan.FromSeconds(8), time);
        await using var connection = result.Connection!;
        await Eventually.TrueAsync(() =>
        {
            connection.Publish(new(s_tracks, new byte[1]), 0);
            time.Advance(TimeSpan.FromSeconds(2));
            return connection.Ended.IsCompleted;
        });
        Assert.Equal(MqttFault.KeepAliveTimeout, (await connection.Ended).Fault);
    }

    [Fact]
    public async Task Received_PacketThatClaimsAGigabyte_EndsTheConnectionAtOnce()
    {
        byte[] large = [.. ScriptedBroker.Accepted, 0x30, 0xFF, 0xFF, 0xFF, 0x7F];
        await using var broker = new ScriptedBroker(large);
        var listener = new ListenerProbe();
        await using var connection = (await ConnectAsync(broker.Url, listener)).Connection!;
        Assert.Equal(MqttFault.ProtocolError, (await connection.Ended).Fault);
    }

    [Fact]
    public void Encode_TextTooLong_IsRefusedAndLeavesNothingToTheNextPacket()
    {
        var encoder = new PacketEncoder(MqttProtocolVersion.V500);
        var plain = Bytes(encoder.Encode(new MqttPublishPacket { Topic = "a" }));
        Assert.Null(encoder.Encode(new MqttPublishPacket
        {
            Topic = "a",
            ContentType = "text",
            UserProperties = [new("name", new ReadOnlyMemory<byte>(new byte[65536]))],
        }));
        Assert.Equal(plain, Bytes(encoder.Encode(new MqttPublishPacket { Topic = "a" })));
    }

    [Theory, InlineData(MqttProtocolVersion.V500), InlineData(MqttProtocolVersion.V311)]
    public async Task ReadAsync_PacketsInPiecesOfAnySize_AreThoseThatWereSent(MqttProtocolVersion version)
    {
        var random = new Random(7);
        var (encoder, sent, bytes) = (new PacketEncoder(version), new List<byte[]>(), new ArrayBufferWriter<byte>());
        for (var i = 0; i < 200; i++)
        {
            var payload = new byte[random.Next(i % 10 == 0 ? 60_000 : 300)];
            payload.AsSpan().Fill((byte)i);
            sent.Add(payload);
            bytes.Write(Bytes(encoder.Encode(new MqttPublishPacket { Topic = $"t/{i}", Payload = new(payload) })));
            bytes.Write(Bytes(encoder.Encode(MqttPingRespPacket.Instance)));
        }

        var reader = new PacketReader(new PieceStream(bytes.WrittenMemory, random), version);
        for (var i = 0; i < sent.Count; i++)
        {
            var publish = Assert.IsType<MqttPublishPacket>(await reader.ReadAsync(default));
            Assert.Equal($"t/{i}", publish.Topic);
            Assert.Equal(sent[i], publish.Payload.ToArray());
            Assert.IsType<MqttPingRespPacket>(await reader.ReadAsync(default));
        }

        Assert.Null(await reader.ReadAsync(default));
    }

    [Fact]
    public async Task ReadAsync_AnyBytes_ArePacketsOrAViolation()
    {
        var random = new Random(11);
        for (var i = 0; i < 3000; i++)
        {
            var bytes = new byte[random.Next(40) + 2];
            for (var k = 0; k < bytes.Length; k++) bytes[k] = (byte)random.Next(256);
            bytes[1] = (byte)(bytes.Length - 2); // mostly whole packets, so that the decoder sees their bodies
            var reader = new PacketReader(new MemoryStream(bytes), MqttProtocolVersion.V500);
            try
            {
                while (await reader.ReadAsync(default) is not null)
                {
                }
            }
            catch (MqttProtocolViolationException)
            {
            }
        }
    }

    private static byte[] Bytes(EncodedPacket? packet) => packet!.Value.Bytes[..packet.Value.Length];

    private static async Task<MqttConnectResult> ConnectAsync(
        string server, ListenerProbe listener, Action<MqttOptions>? change = null, TimeProvider? time = null)
    {
        var options = new MqttOptions();
        change?.Invoke(options);
        var transport = new MqttNetTransport(options, "test", time ?? TimeProvider.System);
        var will = new MqttWill(new("a/availability", "state", 1, Retain: true), Encoding.UTF8.GetBytes("offline"), []);
        return await transport.ConnectAsync(MqttServer.TryParse(server)!, new(), will, listener, default);
    }

    private static TcpListener Listen()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return listener;
    }

    private static int Port(TcpListener listener) => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>Resets the next connection when its client has sent its first bytes.</summary>
    private static async Task ResetAsync(TcpListener listener)
    {
        using var client = await listener.AcceptSocketAsync();
        await client.ReceiveAsync(new byte[1]);
        client.LingerState = new(true, 0);
    }

    /// <summary>Answers the next connection once and reads no more than one byte from it.</summary>
    private static async Task<Socket> AcceptAsync(TcpListener listener, byte[] answer)
    {
        var client = await listener.AcceptSocketAsync();
        await client.ReceiveAsync(new byte[1]);
        await client.SendAsync(answer);
        return client;
    }

    private sealed class ListenerProbe : IMqttListener
    {
        private int _written;

        public ConcurrentQueue<(long Token, int Reason)> Acknowledged { get; } = [];

        public int Written => Volatile.Read(ref _written);

        void IMqttListener.Written(IMqttConnection connection, long token)
        {
            Assert.False(connection.Ended.IsCompleted);
            Interlocked.Increment(ref _written);
        }

        void IMqttListener.Acknowledged(IMqttConnection connection, long token, int reason) =>
            Acknowledged.Enqueue((token, reason));

        void IMqttListener.Subscribed(IMqttConnection connection, int reason)
        {
        }

        void IMqttListener.Received(IMqttConnection connection, MqttReceived message)
        {
        }
    }

    /// <summary>Gives its bytes in pieces of random size.</summary>
    private sealed class PieceStream(ReadOnlyMemory<byte> bytes, Random random) : MemoryStream(bytes.ToArray())
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            => new(Read(buffer.Span[..Math.Min(buffer.Length, 1 + random.Next(5000))]));
    }
}
