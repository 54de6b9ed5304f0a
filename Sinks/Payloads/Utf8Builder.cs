using System.Buffers.Text;
using System.Text;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Builder of short UTF-8 texts on the stack; what is too long for the buffer throws.</summary>
internal ref struct Utf8Builder(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;
    private int _length;

    public readonly ReadOnlySpan<byte> Written => _buffer[.._length];

    public void Add(string text) => _length += Encoding.UTF8.GetBytes(text, _buffer[_length..]);

    public void Add(char ascii) => _buffer[_length++] = (byte)ascii;

    public void Add(long number)
    {
        if (!Utf8Formatter.TryFormat(number, _buffer[_length..], out var written))
            throw new ArgumentException("the buffer is too small", nameof(number));
        _length += written;
    }
}
