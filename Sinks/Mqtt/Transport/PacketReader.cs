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
    private byte[] _buffer = new byte[4096];
    private int _start, _end; // the bytes received and not yet read

    /// <summary>The next packet, or null at the end of the stream. The next call may overwrite its data.</summary>
    /// <exception cref="MqttProtocolViolationException">The bytes are not a packet, or too many.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public async ValueTask<MqttPacket?> ReadAsync(CancellationToken cancel)
    {
        // Fixed header (MQTT 5, 2.1): a byte of flags and the remaining length, seven bits per byte.
        int header = 1, length = 0;
        bool more;
        do
        {
            if (header > 4) throw new MqttProtocolViolationException("The remaining length of a packet is malformed.");
            if (!await FillAsync(header + 1, cancel)) return null;
            var digit = _buffer[_start + header];
            length |= (digit & 0x7F) << (7 * (header - 1));
            more = digit >= 0x80;
            header++;
        }
        while (more);

        if (length > MaxPacket) throw new MqttProtocolViolationException($"A packet of {length} bytes is too large.");
        if (!await FillAsync(header + length, cancel)) return null;
        var packet = Decode(_buffer[_start], new(_buffer, _start + header, length), header + length);
        _start += header + length;
        return packet;
    }

    private MqttPacket Decode(byte flags, ArraySegment<byte> body, int total)
    {
        try
        {
            return _formatter.Decode(new(flags, body, total));
        }
        catch (Exception e) // the decoder throws anything for bytes that are not a packet
        {
            throw new MqttProtocolViolationException(e.Message);
        }
    }

    /// <summary>Waits for so many bytes; false: the stream ended before.</summary>
    private async ValueTask<bool> FillAsync(int bytes, CancellationToken cancel)
    {
        if (_start + bytes > _buffer.Length) MakeRoom(bytes);
        while (_end - _start < bytes)
        {
            var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancel);
            if (read == 0) return false;
            _end += read;
        }

        return true;
    }

    private void MakeRoom(int bytes)
    {
        var buffer = bytes > _buffer.Length ? new byte[bytes] : _buffer;
        _buffer.AsSpan(_start.._end).CopyTo(buffer);
        (_buffer, _end, _start) = (buffer, _end - _start, 0);
    }
}
