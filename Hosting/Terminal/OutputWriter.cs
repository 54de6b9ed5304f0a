using System.Text;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>Text of the console and of the log on its way to a <see cref="LineOutput"/>; complete lines are posted at
/// once. Behind <see cref="Console"/>, which lets in one thread at a time.</summary>
internal sealed class OutputWriter(LineOutput output) : TextWriter
{
    private readonly StringBuilder _text = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value) => Write([value]);

    public override void Write(string? value) => Write(value.AsSpan());

    public override void Write(ReadOnlySpan<char> buffer)
    {
        _text.Append(buffer);
        if (buffer.Contains('\n')) Flush();
    }

    public override void Flush()
    {
        if (_text.Length == 0) return;
        output.Post(Encoding.GetBytes(_text.ToString()));
        _text.Clear();
    }
}
