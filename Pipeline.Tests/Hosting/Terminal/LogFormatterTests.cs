using System.Text.Json;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Terminal;

public sealed class LogFormatterTests : IDisposable
{
    private readonly ConfigFolder _folder = new();
    private readonly LogTail _tail = new();

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public void Write_SecretInMessageOrException_IsBlankedOut(string format)
    {
        _folder.Write("pass", "from-a-file\n");
        var line = Format(format, "login from-a-file at rtsp://admin:in-the-url@10.0.0.5/x",
            new InvalidOperationException("in-the-config was refused"));
        foreach (var secret in new[] { "from-a-file", "in-the-url", "in-the-config" })
        {
            Assert.DoesNotContain(secret, line, StringComparison.Ordinal);
            Assert.DoesNotContain(_tail.Lines, l => l.Contains(secret, StringComparison.Ordinal));
        }

        Assert.Contains(_tail.Lines, l => l.Contains("rtsp://admin:***@10.0.0.5/x", StringComparison.Ordinal));
        Assert.Contains("rtsp://admin:***@10.0.0.5/x", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_Json_IsOneObjectALine()
    {
        _folder.Write("pass", "from-a-file\n");
        var line = Format("json", "two\nlines \"quoted\"", null);
        Assert.Equal(1, line.Count(c => c == '\n'));
        var entry = JsonDocument.Parse(line).RootElement;
        Assert.Equal("two\nlines \"quoted\"", entry.GetProperty("message").GetString());
        Assert.Equal(("warning", "Some.Logger", 4711), (entry.GetProperty("level")
            .GetString(), entry.GetProperty("logger").GetString(), entry.GetProperty("event").GetInt32()));
    }

    [Fact]
    public void Write_Json_TimeIsIso8601_AndNothingIsEscapedThatNeedNotBe()
    {
        _folder.Write("pass", "from-a-file\n");
        var line = Format("json", "it's 5 > 4 + ü", null);
        Assert.Matches(@"^\{""time"":""\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"",", line);
        Assert.Contains("\"message\":\"it's 5 > 4 + ü\"", line, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private string Format(string format, string message, Exception? exception)
    {
        var config = _folder.Load($$"""
            cameras: { a: { url: "rtsp://h/x", username: u, password_file: pass } }
            mqtt: { username: u, password: in-the-config }
            logging: { format: {{format}} }
            """);
        using var text = new StringWriter();
        new LogFormatter(new(config), _tail, new ManualTime()).Write(
            new LogEntry<string>(LogLevel.Warning, "Some.Logger", new EventId(4711), message, exception, (state, _) =>
                state), null, text);
        return text.ToString();
    }
}
