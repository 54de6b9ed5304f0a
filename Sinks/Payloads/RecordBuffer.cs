using System.Buffers;
using System.Text.Json;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Records encoded once, to be measured, sorted into parts and copied. Reused; one thread.</summary>
internal sealed class RecordBuffer : IDisposable
{
    private readonly ArrayBufferWriter<byte> _bytes = new(16 << 10);
    private readonly List<int> _starts = [];
    private readonly List<int> _ends = [];
    private readonly Utf8JsonWriter _writer;

    public RecordBuffer() => _writer = JsonText.Writer(_bytes);

    public int Count => _ends.Count;

    public ReadOnlySpan<byte> this[int record] => _bytes.WrittenSpan[_starts[record].._ends[record]];

    public int Length(int record) => _ends[record] - _starts[record];

    /// <summary>For the next record: write one JSON value, then <see cref="End"/>.</summary>
    public Utf8JsonWriter Begin()
    {
        _starts.Add(_bytes.WrittenCount);
        _writer.Reset();
        return _writer;
    }

    /// <summary>Bytes of the record.</summary>
    public int End()
    {
        _writer.Flush();
        _ends.Add(_bytes.WrittenCount);
        return Length(_ends.Count - 1);
    }

    /// <summary>Forgets the last record; its bytes stay behind unused until <see cref="Clear"/>.</summary>
    public void RemoveLast()
    {
        _starts.RemoveAt(_starts.Count - 1);
        _ends.RemoveAt(_ends.Count - 1);
    }

    public void Clear()
    {
        _bytes.ResetWrittenCount();
        _starts.Clear();
        _ends.Clear();
    }

    public void Dispose() => _writer.Dispose();
}
