using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Meters of one test's own and what was recorded on them.</summary>
internal sealed class TestMetrics : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();
    private readonly List<Measured> _values = [];

    /// <param name="record">False: nothing listens, as in a run without an exporter.</param>
    public TestMetrics(bool record = true)
    {
        Metrics = new PipelineMetrics();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == Metrics) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        if (record) _listener.Start();
    }

    public PipelineMetrics Metrics { get; }

    /// <summary>
    /// Values of one instrument in order, narrowed to those that carry <paramref name="tag"/> as <c>key=value</c>; of
    /// an observed one the value of each series now.
    /// </summary>
    public IReadOnlyList<double> Of(string instrument, string? tag = null)
    {
        lock (_gate) _values.RemoveAll(v => v.Observed);
        _listener.RecordObservableInstruments();
        lock (_gate)
            return [.. _values.Where(v => v.Instrument == instrument && (tag is null || v.Tags.Contains(tag)))
                .Select(v => v.Value)];
    }

    public void Dispose()
    {
        _listener.Dispose();
        Metrics.Dispose();
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var texts = new string[tags.Length];
        for (var i = 0; i < tags.Length; i++) texts[i] = $"{tags[i].Key}={tags[i].Value}";
        lock (_gate) _values.Add(new Measured(instrument.Name, value, texts, instrument.IsObservable));
    }

    private sealed record Measured(string Instrument, double Value, string[] Tags, bool Observed);
}
