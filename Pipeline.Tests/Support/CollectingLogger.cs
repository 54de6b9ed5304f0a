using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Keeps what was logged, by one logger or all of a host.</summary>
internal sealed class CollectingLogger : ILogger, ILoggerProvider
{
    private readonly Lock _gate = new();
    private readonly List<Entry> _entries = [];

    public IReadOnlyList<Entry> Entries
    {
        get { lock (_gate) return [.. _entries]; }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void Dispose()
    {
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        lock (_gate) _entries.Add(new Entry(logLevel, eventId.Id, formatter(state, exception)));
    }

    public sealed record Entry(LogLevel Level, int Id, string Message);
}
