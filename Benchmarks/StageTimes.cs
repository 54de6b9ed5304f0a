using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Dvis.Streaming.Benchmarks;

/// <summary>Sums <c>dvis.stage.duration</c> by stage.</summary>
internal sealed class StageTimes : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, (double Seconds, long Count)> _stages = new();

    public StageTimes(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter == meter && instrument.Name == "dvis.stage.duration")
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
        {
            var stage = (string)tags[0].Value!;
            _stages.AddOrUpdate(stage, (value, 1), (_, sum) => (sum.Seconds + value, sum.Count + 1));
        });
        _listener.Start();
    }

    public double Seconds(string stage) => _stages.TryGetValue(stage, out var sum) ? sum.Seconds : 0;

    public void Reset() => _stages.Clear();

    public void Dispose() => _listener.Dispose();
}
