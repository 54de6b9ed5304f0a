namespace Dvis.Streaming.Sinks.Mqtt;

/// <summary>Marks a JSON object as delivered late.</summary>
internal static class Historical
{
    private static ReadOnlySpan<byte> Opening => "{\"historical\":true,"u8;

    /// <summary>Bytes that <see cref="Mark"/> adds: durable messages leave room for them.</summary>
    public static int Length => Opening.Length - 1;

    /// <summary>The object with <c>"historical":true</c> as its first member.</summary>
    public static byte[] Mark(ReadOnlySpan<byte> json) => [.. Opening, .. json[1..]];
}
