using System.Buffers.Binary;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Facts kept between runs beside the messages.</summary>
/// <param name="Released">Messages below this sequence are done.</param>
/// <param name="PacketLimit">Smallest Maximum Packet Size of a broker; int.MaxValue: none.</param>
internal readonly record struct StoreCursor(long Released, int PacketLimit)
{
    public const string Name = "cursor";
    private const int Size = 16;

    /// <summary>Reads the cursor; a damaged one is as good as none: everything is sent once more.</summary>
    public static StoreCursor Read(IStoreFile file)
    {
        Span<byte> bytes = stackalloc byte[Size];
        if (file.Read(bytes, 0) < Size
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != RecordCodec.Checksum(bytes[4..]))
            return new(0, int.MaxValue);
        return new(
            BinaryPrimitives.ReadInt64LittleEndian(bytes[4..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]));
    }

    public void Write(IStoreFile file)
    {
        Span<byte> bytes = stackalloc byte[Size];
        BinaryPrimitives.WriteInt64LittleEndian(bytes[4..], Released);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], PacketLimit);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, RecordCodec.Checksum(bytes[4..]));
        file.Write(bytes, 0);
    }
}
