using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>A meter of one test's own and what was recorded on it.</summary>
internal sealed class TestMetrics : IMeterFactory
{
    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();
    private readonly List<Measured> _values = [];
    private Meter? _meter;

    /// <param name="record">False: nothing listens, as in a run without an exporter.</param>
    public TestMetrics(bool record = true)
    {
        Metrics = new PipelineMetrics(this);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter == _meter) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        if (record) _listener.Start();
    }

    public PipelineMetrics Metrics { get; }

    /// <summary>Values of one instrument in order, narrowed to those that carry <paramref name="tag"/> as <c>key=value</c>.</summary>
    public IReadOnlyList<double> Of(string instrument, string? tag = null)
    {
        lock (_gate) return [.. _values.Where(v => v.Instrument == instrument && (tag is null || v.Tags.Contains(tag))).Select(v => v.Value)];
    }

    public Meter Create(MeterOptions options) => _meter = new Meter(options.Name, options.Version, options.Tags, this);

    public void Dispose()
    {
        _listener.Dispose();
        _meter?.Dispose();
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var texts = new string[tags.Length];
        for (var i = 0; i < tags.Length; i++) texts[i] = $"{tags[i].Key}={tags[i].Value}";
        lock (_gate) _values.Add(new Measured(instrument.Name, value, texts));
    }

    private sealed record Measured(string Instrument, double Value, string[] Tags);
}
