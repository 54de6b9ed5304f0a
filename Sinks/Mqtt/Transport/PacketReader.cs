using System.Buffers;
using System.IO.Pipelines;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using MQTTnet.Exceptions;
using MQTTnet.Formatter;
using MQTTnet.Packets;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Reader of packets, which MQTTnet decodes. Memory is bounded, whatever length a packet claims.</summary>
internal sealed class PacketReader(Stream stream, MqttProtocolVersion version)
{
    /// <summary>Bytes of the largest packet without its fixed header; CONNECT of MQTT 5 has it.</summary>
    public const int MaxPacket = 2 * MqttReceived.MaxPayload;

    private readonly MqttPacketFormatterAdapter _formatter = new(version, new(1024, 4096));
    private readonly PipeReader _bytes = PipeReader.Create(stream);

    /// <summary>The next packet, or null at the end of the stream.</summary>
    /// <exception cref="MqttProtocolViolationException">The bytes are not a packet, or too many.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public async ValueTask<MqttPacket?> ReadAsync(CancellationToken cancel)
    {
        for (var wanted = 2; ;)
        {
            var received = await _bytes.ReadAtLeastAsync(wanted, cancel);
            var (header, body) = Measure(received.Buffer);
            wanted = header + body;
            if (received.Buffer.Length >= wanted)
            {
                var packet = Decode(received.Buffer.Slice(0, wanted).ToArray(), header);
                _bytes.AdvanceTo(received.Buffer.GetPosition(wanted));
                return packet;
            }

            if (received.IsCompleted) return null;
            _bytes.AdvanceTo(received.Buffer.Start, received.Buffer.End);
        }
    }

    /// <summary>Lengths by the fixed header (MQTT 5, 2.1): a byte of flags and the length of the body, seven bits per
    /// byte. The header is one byte longer while it is incomplete.</summary>
    private static (int Header, int Body) Measure(ReadOnlySequence<byte> received)
    {
        var reader = new SequenceReader<byte>(received);
        reader.Advance(Math.Min(1, received.Length));
        for (var (header, length) = (2, 0); ; header++)
        {
            if (header > 5) throw new MqttProtocolViolationException("The remaining length of a packet is malformed.");
            if (!reader.TryRead(out var digit)) return (header, 0);
            length |= (digit & 0x7F) << (7 * (header - 2));
            if (digit >= 0x80) continue;
            if (length <= MaxPacket) return (header, length);
            throw new MqttProtocolViolationException($"A packet of {length} bytes is too large.");
        }
    }

    private MqttPacket Decode(byte[] packet, int header)
    {
        try
        {
            return _formatter.Decode(new(packet[0], new(packet, header, packet.Length - header), packet.Length));
        }
        catch (Exception e) // the decoder throws anything for bytes that are not a packet
        {
            throw new MqttProtocolViolationException(e.Message);
        }
    }
}
