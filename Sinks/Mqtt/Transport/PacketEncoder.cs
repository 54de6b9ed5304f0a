using System.Buffers;
using System.Text;
using MQTTnet.Exceptions;
using MQTTnet.Formatter;
using MQTTnet.Packets;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Packet to send, in the first bytes of an array of the shared pool.</summary>
/// <param name="Token">Token of a PUBLISH that is not acknowledged; null for other packets.</param>
internal readonly record struct EncodedPacket(byte[] Bytes, int Length, long? Token = null);

/// <summary>Encoder of packets by MQTTnet. Not thread-safe.</summary>
internal sealed class PacketEncoder(MqttProtocolVersion version)
{
    private MqttPacketFormatterAdapter _formatter = Formatter(version);

    /// <summary>Encodes a packet. Null: MQTT has no form for it, such as a text above 65,535 bytes.</summary>
    public EncodedPacket? Encode(MqttPacket packet)
    {
        try
        {
            var encoded = _formatter.Encode(packet);
            var bytes = ArrayPool<byte>.Shared.Rent(encoded.Length);
            encoded.Packet.AsSpan().CopyTo(bytes);
            encoded.Payload.CopyTo(bytes.AsSpan(encoded.Packet.Count));
            _formatter.Cleanup();
            return new(bytes, encoded.Length);
        }
        catch (MqttProtocolViolationException)
        {
            // This formatter would put the properties written so far into the next packet (MQTTnet 5.2).
            _formatter = Formatter(version);
            return null;
        }
    }

    /// <summary>User properties as MQTTnet has them; null for none.</summary>
    public static List<MqttUserProperty>? Properties(IReadOnlyList<KeyValuePair<string, string>>? properties)
        => properties?.Select(p => new MqttUserProperty(p.Key, Encoding.UTF8.GetBytes(p.Value).AsMemory())).ToList();

    private static MqttPacketFormatterAdapter Formatter(MqttProtocolVersion version) => new(version, new(1024, 4096));
}
