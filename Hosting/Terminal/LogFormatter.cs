using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>Formatter of log entries: one line each, text or JSON, with all secrets and passwords masked.</summary>
internal sealed class LogFormatter(CurrentConfig config, LogTail tail, TimeProvider time)
    : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "dvis";

    private static readonly JsonSerializerOptions s_json = new()
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        // Read by collectors, not within HTML: "+", quotes and umlauts stay readable.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider,
        TextWriter textWriter)
    {
        // The host logs a failed start with its stack; the command prints it in one sentence.
        if (logEntry.EventId.Name == "HostedServiceStartupFaulted") return;
        var message = Redaction.Apply(logEntry.Formatter(logEntry.State, logEntry.Exception), config.Secrets);
        var exception = logEntry.Exception is { } e ? Redaction.Apply(e.ToString(), config.Secrets) : null;
        var text = Text(logEntry, message, exception);
        tail.Add(text);
        textWriter.WriteLine(
            config.Options.Logging.Format == LogFormat.Json ? Json(logEntry, message, exception) : text);
    }

    private string Text<TState>(in LogEntry<TState> entry, string message, string? exception) =>
        $"{time.GetLocalNow():HH:mm:ss.fff} {Level(entry.LogLevel)} {message}"
        + (exception is null ? "" : Environment.NewLine + exception);

    private string Json<TState>(in LogEntry<TState> entry, string message, string? exception) =>
        JsonSerializer.Serialize(new
        {
            time = $"{time.GetUtcNow():yyyy-MM-ddTHH:mm:ss.fffZ}",
            level = Level(entry.LogLevel),
            logger = entry.Category,
            @event = entry.EventId.Id,
            message,
            exception,
        }, s_json);

    private static string Level(LogLevel level) => level switch
    {
        LogLevel.Information => "info",
        LogLevel.Critical => "fatal",
        _ => level.ToString().ToLowerInvariant(),
    };
}
