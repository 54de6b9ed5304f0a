using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Dvis.Streaming.Sinks.Mqtt.Messages;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Codec of records: marker, CRC-32C of what follows, length of the body, body (sequence, times, topic with
/// its properties, payload). Little-endian. A damaged record is no record, and no error.</summary>
internal static class RecordCodec
{
    /// <summary>Bytes of marker, checksum and length.</summary>
    public const int Head = 12;

    /// <summary>Larger than any payload of MQTT with its properties.</summary>
    private const int MaxBody = 300 << 20;

    /// <summary>First bytes of a record; another layout needs another marker.</summary>
    public static ReadOnlySpan<byte> Marker => "dvb1"u8;

    /// <summary>Bytes of the whole record.</summary>
    public static int Size(OutboxEntry entry)
    {
        var topic = entry.Topic;
        var bytes = Head + 8 + 8 + 8 + 4 + Text(topic.Name) + Text(topic.Kind) + Text(topic.ContentType) + 2;
        foreach (var (name, value) in entry.UserProperties ?? []) bytes += Text(name) + Text(value);
        return bytes + entry.Payload.Length;

        static int Text(string? text) => 2 + Encoding.UTF8.GetByteCount(text ?? "");
    }

    public static byte[] Write(OutboxEntry entry, long sequence)
    {
        var (topic, record) = (entry.Topic, new byte[Size(entry)]);
        using var w = new BinaryWriter(new MemoryStream(record, Head, record.Length - Head));
        w.Write(sequence);
        w.Write(entry.Created.ToUnixTimeMilliseconds());
        w.Write(entry.Enqueued);
        w.Write(topic.ExpirySeconds);
        Text(topic.Name);
        Text(topic.Kind);
        Text(topic.ContentType);
        var properties = entry.UserProperties ?? [];
        w.Write((ushort)properties.Count);
        foreach (var (name, value) in properties)
        {
            Text(name);
            Text(value);
        }

        w.Write(entry.Payload);
        Marker.CopyTo(record);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(8), record.Length - Head);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), Checksum(record.AsSpan(8)));
        return record;

        void Text(string? text)
        {
            var bytes = Encoding.UTF8.GetBytes(text ?? "");
            w.Write(checked((ushort)bytes.Length));
            w.Write(bytes);
        }
    }

    /// <summary>Bytes of the record by its head; 0 when none begins here.</summary>
    public static int Announced(ReadOnlySpan<byte> head)
    {
        if (head.Length < Head || !head.StartsWith(Marker)) return 0;
        var body = BinaryPrimitives.ReadInt32LittleEndian(head[8..]);
        return body is < 0 or > MaxBody ? 0 : Head + body;
    }

    /// <summary>The message of a whole record; null when it is damaged.</summary>
    public static OutboxEntry? Read(byte[] record)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(record.AsSpan(4)) != Checksum(record.AsSpan(8))) return null;
        var body = new MemoryStream(record, Head, record.Length - Head);
        using var r = new BinaryReader(body);
        try
        {
            var (sequence, utc, enqueued, expiry) = (r.ReadInt64(), r.ReadInt64(), r.ReadInt64(), r.ReadUInt32());
            var (name, kind, type) = (Text(), Text(), Text());
            var properties = new KeyValuePair<string, string>[r.ReadUInt16()];
            for (var i = 0; i < properties.Length; i++) properties[i] = new(Text(), Text());
            if (utc is < 0 or > 253_402_300_799_999) return null;
            var topic = new MqttTopic(name, kind, Qos: 1, false, expiry, type.Length == 0 ? null : type);
            var payload = r.ReadBytes((int)(body.Length - body.Position));
            var created = DateTimeOffset.FromUnixTimeMilliseconds(utc);
            return new(topic, payload, properties.Length == 0 ? null : properties, created, enqueued)
            { Sequence = sequence };
        }
        catch (EndOfStreamException)
        {
            return null;
        }

        string Text()
        {
            var bytes = new byte[r.ReadUInt16()];
            r.ReadExactly(bytes);
            return Encoding.UTF8.GetString(bytes);
        }
    }

    public static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        for (; bytes.Length >= 8; bytes = bytes[8..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (var b in bytes) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }
}
