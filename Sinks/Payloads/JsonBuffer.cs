using System.Buffers;
using System.Text.Json;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>JSON values, encoded one after the other into memory that is reused. One thread.</summary>
internal sealed class JsonBuffer : IDisposable
{
    private readonly ArrayBufferWriter<byte> _bytes = new(16 << 10);
    private readonly List<Range> _values = [];
    private readonly Utf8JsonWriter _writer;
    private int _start;

    // Tests validate the payloads against their schemas; validating every write again would only cost time.
    public JsonBuffer() => _writer = new(_bytes, new() { Encoder = JsonText.Encoder, SkipValidation = true });

    public int Count => _values.Count;

    public ReadOnlySpan<byte> this[int value] => _bytes.WrittenSpan[_values[value]];

    /// <summary>Writer of the next value, which <see cref="End"/> completes.</summary>
    public Utf8JsonWriter Begin()
    {
        _start = _bytes.WrittenCount;
        _writer.Reset();
        return _writer;
    }

    /// <summary>Bytes of the value; valid until <see cref="Clear"/>.</summary>
    public ReadOnlyMemory<byte> End()
    {
        _writer.Flush();
        _values.Add(_start.._bytes.WrittenCount);
        return _bytes.WrittenMemory[_start..];
    }

    /// <summary>Removes the last value; its bytes stay unused until <see cref="Clear"/>.</summary>
    public void RemoveLast() => _values.RemoveAt(_values.Count - 1);

    public void Clear()
    {
        _bytes.ResetWrittenCount();
        _values.Clear();
    }

    /// <summary>Writer of the only value.</summary>
    public Utf8JsonWriter Restart()
    {
        Clear();
        return Begin();
    }

    public void Dispose() => _writer.Dispose();
}
