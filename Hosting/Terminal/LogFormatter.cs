using System.Text;
using System.Text.Json;
using Dvis.Streaming.Hosting.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>
/// Formatter of log entries: one line each, as text or JSON. It masks all known secrets and every password in a URL.
/// </summary>
internal sealed class LogFormatter(CurrentConfig config, TimeProvider time) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "dvis";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider,
        TextWriter textWriter)
    {
        // The host logs a failed start with its stack; the command prints it in one sentence.
        if (logEntry.EventId.Name == "HostedServiceStartupFaulted") return;
        var message = Redaction.Apply(logEntry.Formatter(logEntry.State, logEntry.Exception), config.Secrets);
        var exception = logEntry.Exception is { } e ? Redaction.Apply(e.ToString(), config.Secrets) : null;
        textWriter.WriteLine(config.Options.Logging.Format == LogFormat.Json
            ? Json(logEntry, message, exception)
            : Text(logEntry, message, exception));
    }

    private string Text<TState>(in LogEntry<TState> entry, string message, string? exception) =>
        $"{time.GetLocalNow():HH:mm:ss.fff} {Level(entry.LogLevel)} {message}"
        + (exception is null ? "" : Environment.NewLine + exception);

    private string Json<TState>(in LogEntry<TState> entry, string message, string? exception)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", $"{time.GetUtcNow():O}");
            json.WriteString("level", Level(entry.LogLevel));
            json.WriteString("logger", entry.Category);
            json.WriteNumber("event", entry.EventId.Id);
            json.WriteString("message", message);
            if (exception is not null) json.WriteString("exception", exception);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static string Level(LogLevel level) => level switch
    {
        LogLevel.Information => "info",
        LogLevel.Critical => "fatal",
        _ => level.ToString().ToLowerInvariant(),
    };
}
