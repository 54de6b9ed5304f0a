using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Keeps what was logged, as a person would read it.</summary>
internal sealed class LogProbe<T> : ILogger<T>
{
    private readonly Lock _gate = new();
    private readonly List<(LogLevel Level, int Id, string Text)> _entries = [];

    public IReadOnlyList<(LogLevel Level, int Id, string Text)> Entries
    {
        get { lock (_gate) return [.. _entries]; }
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        lock (_gate) _entries.Add((logLevel, eventId.Id, formatter(state, exception) + exception));
    }
}

/// <summary>Meters of one test's own, and the sums of its instruments.</summary>
internal sealed class MetricProbe : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, double> _sums = [];
    private readonly Dictionary<string, int> _records = [];
    private readonly MeterListener _listener = new();

    public MetricProbe()
    {
        Metrics = new();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == Metrics) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.Start();
    }

    public PipelineMetrics Metrics { get; }

    /// <summary>Sum of all measurements whose tags contain these (<c>kind=tracks</c>);
    /// of a gauge it is no sum but the last value.</summary>
    public double Sum(string instrument, params string[] tags) => Over(_sums, instrument, tags);

    /// <summary>Number of measurements.</summary>
    public int Records(string instrument, params string[] tags) =>
        (int)Over(_records.ToDictionary(p => p.Key, p => (double)p.Value), instrument, tags);

    public void Dispose()
    {
        _listener.Dispose();
        Metrics.Dispose();
    }

    private double Over(Dictionary<string, double> values, string instrument, string[] tags)
    {
        _listener.RecordObservableInstruments();
        lock (_gate)
        {
            return values.Where(p => p.Key.Split('|') is var key && key[0] == instrument && tags.All(key.Contains))
                .Sum(p => p.Value);
        }
    }

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var key = instrument.Name;
        foreach (var (name, tag) in tags) key += $"|{name}={tag}";
        lock (_gate)
        {
            _records[key] = _records.GetValueOrDefault(key) + 1;
            var isLast = instrument.IsObservable || instrument is Gauge<long> or Gauge<double>;
            _sums[key] = isLast ? value : _sums.GetValueOrDefault(key) + value;
        }
    }
}
