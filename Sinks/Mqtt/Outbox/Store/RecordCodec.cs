using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Dvis.Streaming.Sinks.Mqtt.Messages;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>
/// A record is a marker, the CRC-32C of what follows, the length of the body, and the body: sequence, times, the topic
/// with its properties, the payload. Little-endian. Reading trusts nothing: what is damaged is no record.
/// </summary>
internal static class RecordCodec
{
    /// <summary>Marker, checksum and length.</summary>
    public const int Head = 12;

    /// <summary>Larger than any payload of MQTT with its properties.</summary>
    private const int MaxBody = 300 << 20;

    /// <summary>Begins every record; another layout gets another one.</summary>
    public static ReadOnlySpan<byte> Marker => "dvb1"u8;

    /// <summary>Bytes of the whole record.</summary>
    public static int Size(StoredMessage message)
    {
        var topic = message.Topic;
        var bytes = Head + 8 + 8 + 8 + 4 + Text(topic.Name) + Text(topic.Kind) + Text(topic.ContentType) + 2;
        foreach (var (name, value) in message.UserProperties ?? []) bytes += Text(name) + Text(value);
        return bytes + message.Payload.Length;

        static int Text(string? text) => 2 + Encoding.UTF8.GetByteCount(text ?? "");
    }

    /// <param name="record"><see cref="Size"/> bytes.</param>
    public static void Write(StoredMessage message, Span<byte> record)
    {
        var topic = message.Topic;
        var w = new Writer(record[Head..]);
        w.Long(message.Sequence);
        w.Long(message.CreatedUtc.ToUnixTimeMilliseconds());
        w.Long(message.Created);
        w.Int((int)topic.ExpirySeconds);
        w.Text(topic.Name);
        w.Text(topic.Kind);
        w.Text(topic.ContentType);
        var properties = message.UserProperties ?? [];
        w.Short((ushort)properties.Count);
        foreach (var (name, value) in properties)
        {
            w.Text(name);
            w.Text(value);
        }

        w.Bytes(message.Payload);
        Marker.CopyTo(record);
        BinaryPrimitives.WriteInt32LittleEndian(record[8..], record.Length - Head);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], Checksum(record[8..]));
    }

    /// <summary>Bytes of the record that begins here, as it says itself; 0 when none begins here.</summary>
    public static int Announced(ReadOnlySpan<byte> head)
    {
        if (head.Length < Head || !head.StartsWith(Marker)) return 0;
        var body = BinaryPrimitives.ReadInt32LittleEndian(head[8..]);
        return body is < 0 or > MaxBody ? 0 : Head + body;
    }

    /// <summary>Null when it is damaged or cut short.</summary>
    /// <param name="record">At least the whole record.</param>
    public static StoredMessage? Read(ReadOnlySpan<byte> record)
    {
        var size = Announced(record);
        if (size == 0 || size > record.Length) return null;
        record = record[..size];
        if (BinaryPrimitives.ReadUInt32LittleEndian(record[4..]) != Checksum(record[8..])) return null;
        var r = new Reader(record[Head..]);
        var (sequence, utc, created, expiry) = (r.Long(), r.Long(), r.Long(), (uint)r.Int());
        var (name, kind, type) = (r.Text(), r.Text(), r.Text());
        var properties = new KeyValuePair<string, string>[r.Short()];
        for (var i = 0; i < properties.Length && !r.Failed; i++) properties[i] = new(r.Text(), r.Text());
        if (r.Failed || utc is < 0 or > 253_402_300_799_999) return null;
        var topic =
            new MqttTopic(name, kind, Qos: 1, ExpirySeconds: expiry, ContentType: type.Length == 0 ? null : type);
        return new(sequence, topic, r.Rest.ToArray(), properties.Length == 0
            ? null
            : properties, DateTimeOffset.FromUnixTimeMilliseconds(utc), created);
    }

    public static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        for (; bytes.Length >= 8; bytes = bytes[8..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (var b in bytes) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }

    private ref struct Writer(Span<byte> target)
    {
        private Span<byte> _left = target;

        public void Long(long value)
        {
            BinaryPrimitives.WriteInt64LittleEndian(_left, value);
            _left = _left[8..];
        }

        public void Int(int value)
        {
            BinaryPrimitives.WriteInt32LittleEndian(_left, value);
            _left = _left[4..];
        }

        public void Short(ushort value)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(_left, value);
            _left = _left[2..];
        }

        public void Text(string? text)
        {
            var length = Encoding.UTF8.GetBytes(text ?? "", _left[2..]);
            Short(checked((ushort)length));
            _left = _left[length..];
        }

        public void Bytes(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_left);
            _left = _left[bytes.Length..];
        }
    }

    private ref struct Reader(ReadOnlySpan<byte> source)
    {
        /// <summary>What has not been read.</summary>
        public ReadOnlySpan<byte> Rest { get; private set; } = source;

        /// <summary>More was asked for than there is; everything since is void.</summary>
        public bool Failed { get; private set; }

        public long Long() => Take(8) is { Length: 8 } bytes ? BinaryPrimitives.ReadInt64LittleEndian(bytes) : 0;

        public int Int() => Take(4) is { Length: 4 } bytes ? BinaryPrimitives.ReadInt32LittleEndian(bytes) : 0;

        public ushort Short() => Take(2) is { Length: 2 } bytes
            ? BinaryPrimitives.ReadUInt16LittleEndian(bytes)
            : (ushort)0;

        public string Text() => Encoding.UTF8.GetString(Take(Short()));

        private ReadOnlySpan<byte> Take(int bytes)
        {
            Failed |= bytes > Rest.Length;
            if (Failed) return [];
            var taken = Rest[..bytes];
            Rest = Rest[bytes..];
            return taken;
        }
    }
}
