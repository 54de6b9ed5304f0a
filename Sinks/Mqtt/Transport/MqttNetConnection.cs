using System.Buffers;
using System.Net.Sockets;
using System.Threading.Channels;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using MQTTnet.Exceptions;
using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Connection that the broker accepted: a loop that writes what was handed over, one that reads, one that
/// pings. The reader decides when it has ended and why; the others only close the socket.</summary>
internal sealed class MqttNetConnection : IMqttConnection
{
    // More than delivery hands over at once beside what is in flight: 512 messages of QoS 0, subscriptions, answers.
    private const int MaxQueued = 1024;
    private static readonly TimeSpan s_disconnectTimeout = TimeSpan.FromSeconds(2);

    private readonly BrokerSocket _socket;
    private readonly PacketReader _reader;
    private readonly IMqttListener _listener;
    private readonly TimeProvider _time;
    private readonly BrokerLimits _limits;
    private readonly TimeSpan _keepAlive;
    private readonly Channel<EncodedPacket> _outgoing;
    private long _written, _received; // timestamps of the last packet in each direction

    // Under _gate.
    private readonly Lock _gate = new();
    private readonly PacketEncoder _encoder;
    private readonly Dictionary<ushort, long> _tokens = []; // by packet identifier: all that awaits an acknowledgement
    private ushort _lastId;
    private MqttOutcome? _why; // set when it is ended here; then nothing more is accepted

    public MqttNetConnection(
        BrokerSocket socket, PacketReader reader, PacketEncoder encoder, IMqttListener listener,
        BrokerLimits limits, TimeSpan keepAlive, int inFlight, TimeProvider time)
    {
        (_socket, _reader, _encoder, _listener) = (socket, reader, encoder, listener);
        (_limits, _keepAlive, _time) = (limits, keepAlive, time);
        _outgoing = Channel.CreateBounded<EncodedPacket>(
            new BoundedChannelOptions(MaxQueued + inFlight) { SingleReader = true });
        _written = _received = _time.GetTimestamp();
        Ended = Task.Run(RunAsync);
    }

    public Task<MqttOutcome> Ended { get; }

    public MqttHandOver Publish(in MqttMessage message, long token)
    {
        var topic = message.Topic;
        if (topic.Name.Length == 0 || topic.Name.AsSpan().ContainsAny('+', '#', '\0')) return MqttHandOver.Invalid;
        if (message.Payload.Length > _limits.MaximumPacketSize) return MqttHandOver.TooLarge;
        var qos = Math.Min(topic.Qos, _limits.Qos);
        var publish = new MqttPublishPacket
        {
            Topic = topic.Name,
            Payload = new(message.Payload),
            QualityOfServiceLevel = (MqttQualityOfServiceLevel)qos,
            Retain = topic.Retain && _limits.Retain,
            MessageExpiryInterval = topic.ExpirySeconds,
            ContentType = topic.ContentType,
            CorrelationData = message.CorrelationData,
            UserProperties = PacketEncoder.Properties(message.UserProperties),
        };
        lock (_gate)
        {
            if (_why is not null || _tokens.Count == ushort.MaxValue) return MqttHandOver.Closed;
            if (qos > 0) publish.PacketIdentifier = NextId();
            if (_encoder.Encode(publish) is not { } packet) return MqttHandOver.Invalid;
            if (packet.Length > _limits.MaximumPacketSize) return MqttHandOver.TooLarge;
            if (!_outgoing.Writer.TryWrite(packet with { Token = qos == 0 ? token : null })) return MqttHandOver.Closed;
            if (qos > 0) _tokens.Add(publish.PacketIdentifier, token);
            return MqttHandOver.Accepted;
        }
    }

    public void Subscribe(IReadOnlyList<string> filters)
    {
        var wanted = filters.Select(filter => new MqttTopicFilter
        {
            Topic = filter,
            QualityOfServiceLevel = MqttQualityOfServiceLevel.AtLeastOnce,
            NoLocal = true, // MQTT 5 only, and written there only
        });
        lock (_gate)
        {
            var subscribe = new MqttSubscribePacket { PacketIdentifier = NextId(), TopicFilters = [.. wanted] };
            if (Send(subscribe)) _tokens.Add(subscribe.PacketIdentifier, 0);
        }
    }

    public async Task DisconnectAsync()
    {
        lock (_gate)
        {
            Send(new MqttDisconnectPacket());
            _why ??= new(MqttFault.Ok, "disconnected");
            _outgoing.Writer.TryComplete();
        }

        try
        {
            // Behind a stalled socket DISCONNECT would wait for ever; then the broker publishes the will.
            await Ended.WaitAsync(s_disconnectTimeout, _time);
        }
        catch (TimeoutException)
        {
        }

        await DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        End(new(MqttFault.ConnectionLost, "closed here"));
        await Ended;
    }

    private async Task<MqttOutcome> RunAsync()
    {
        using var timer = new PeriodicTimer(_keepAlive / 4, _time);
        var (writing, pinging) = (WriteAsync(), PingAsync(timer));
        var outcome = await ReadAsync();
        lock (_gate) outcome = _why ??= outcome;
        _outgoing.Writer.TryComplete();
        _socket.Dispose();
        timer.Dispose();
        await writing;
        await pinging;
        return outcome;
    }

    private async Task<MqttOutcome> ReadAsync()
    {
        try
        {
            while (await _reader.ReadAsync(CancellationToken.None) is { } packet)
            {
                Volatile.Write(ref _received, _time.GetTimestamp());
                switch (packet)
                {
                    case MqttPubAckPacket ack:
                        if (Take(ack.PacketIdentifier) is { } token)
                            _listener.Acknowledged(this, token, (int)ack.ReasonCode);
                        break;
                    case MqttPublishPacket publish:
                        Receive(publish);
                        break;
                    case MqttSubAckPacket ack:
                        if (Take(ack.PacketIdentifier) is not null)
                            _listener.Subscribed(this, (int)ack.ReasonCodes.Max());
                        break;
                    case MqttPingRespPacket:
                        break;
                    case MqttDisconnectPacket disconnect:
                        return MqttOutcome.OfDisconnect((int)disconnect.ReasonCode);
                    default:
                        return new(MqttFault.ProtocolError, $"unexpected packet: {packet}");
                }
            }

            return new(MqttFault.ConnectionLost, "closed by the broker");
        }
        catch (MqttProtocolViolationException e)
        {
            return new(MqttFault.ProtocolError, e.Message);
        }
        catch (Exception e) // any failure ends the connection
        {
            return new(MqttFault.ConnectionLost, e.GetBaseException().Message);
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            await foreach (var packet in _outgoing.Reader.ReadAllAsync())
            {
                await _socket.Stream.WriteAsync(packet.Bytes.AsMemory(0, packet.Length));
                ArrayPool<byte>.Shared.Return(packet.Bytes);
                Volatile.Write(ref _written, _time.GetTimestamp());
                if (packet.Token is { } token) _listener.Written(this, token);
            }

            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception) // any failure ends the connection
        {
            // The reader has the reason: the broker may have sent a DISCONNECT before it closed.
            _socket.Shutdown(SocketShutdown.Both);
        }
    }

    /// <summary>Pings when one direction was silent for the keep-alive; ends the connection when nothing came for twice
    /// as long.</summary>
    private async Task PingAsync(PeriodicTimer timer)
    {
        // Four ticks per keep-alive: a ping must not be later than the keep-alive.
        var due = _keepAlive * 0.75;
        var pinged = _time.GetTimestamp();
        while (await timer.WaitForNextTickAsync())
        {
            var silence = _time.GetElapsedTime(Volatile.Read(ref _received));
            if (silence >= 2 * _keepAlive) End(new(MqttFault.KeepAliveTimeout, "no answer to ping"));
            var quiet = _time.GetElapsedTime(Volatile.Read(ref _written)) >= due || silence >= due;
            if (!quiet || _time.GetElapsedTime(pinged) < due) continue;
            pinged = _time.GetTimestamp();
            lock (_gate) Send(MqttPingReqPacket.Instance);
        }
    }

    private void Receive(MqttPublishPacket publish)
    {
        if (publish.QualityOfServiceLevel == MqttQualityOfServiceLevel.AtLeastOnce)
        {
            lock (_gate) Send(new MqttPubAckPacket { PacketIdentifier = publish.PacketIdentifier });
        }

        if (publish.Payload.Length > MqttReceived.MaxPayload) return;
        _listener.Received(this, new(
            publish.Topic, publish.Payload.ToArray(), publish.Retain, publish.ResponseTopic, publish.CorrelationData));
    }

    private long? Take(ushort id)
    {
        lock (_gate) return _tokens.Remove(id, out var token) ? token : null;
    }

    private void End(MqttOutcome why)
    {
        lock (_gate) _why ??= why;
        _socket.Dispose();
    }

    // Under _gate.
    private bool Send(MqttPacket packet)
        => _why is null && _encoder.Encode(packet) is { } encoded && _outgoing.Writer.TryWrite(encoded);

    // Under _gate, while one is free.
    private ushort NextId()
    {
        do _lastId = _lastId == ushort.MaxValue ? (ushort)1 : (ushort)(_lastId + 1);
        while (_tokens.ContainsKey(_lastId));
        return _lastId;
    }
}
