using System.Buffers;
using System.Text.Json;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>One message at a time in memory that is kept for the next. One thread.</summary>
internal sealed class PayloadBuffer : IDisposable
{
    private readonly ArrayBufferWriter<byte> _bytes = new(16 << 10);
    private readonly Utf8JsonWriter _writer;

    public PayloadBuffer() => _writer = JsonText.Writer(_bytes);

    /// <summary>The last message; valid until the next <see cref="Begin"/>.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.WrittenMemory;

    public Utf8JsonWriter Begin()
    {
        _bytes.ResetWrittenCount();
        _writer.Reset();
        return _writer;
    }

    public ReadOnlyMemory<byte> End()
    {
        _writer.Flush();
        return Written;
    }

    public void Dispose() => _writer.Dispose();
}
