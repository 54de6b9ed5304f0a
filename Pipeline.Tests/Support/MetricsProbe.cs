using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>The pipeline's meter in isolation; sums what its counters are told.</summary>
internal sealed class MetricsProbe : IMeterFactory
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, long> _sums = new();
    private readonly List<Meter> _meters = [];

    public MetricsProbe()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == this && instrument is Counter<long>) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            foreach (var tag in tags) _sums.AddOrUpdate($"{instrument.Name} {tag.Value}", value, (_, sum) => sum + value);
        });
        _listener.Start();
        Metrics = new PipelineMetrics(this);
    }

    public PipelineMetrics Metrics { get; }

    /// <summary>Sum of a counter over all measurements that carry this tag value.</summary>
    public long Sum(string instrument, string tagValue) => _sums.GetValueOrDefault($"{instrument} {tagValue}");

    public Meter Create(MeterOptions options)
    {
        options.Scope = this;
        var meter = new Meter(options);
        _meters.Add(meter);
        return meter;
    }

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var meter in _meters) meter.Dispose();
    }
}
