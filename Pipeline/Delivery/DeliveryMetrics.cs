using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Telemetry;
using static Dvis.Streaming.Pipeline.Telemetry.PipelineMetrics;

namespace Dvis.Streaming.Pipeline.Delivery;

/// <summary>Metrics of the hand-over to the sinks. Thread-safe.</summary>
internal sealed class DeliveryMetrics(Meter meter)
{
    private readonly Counter<long> _dropped =
        meter.CreateCounter<long>("dvis.sink.dropped", "{message}", "Messages a full sink queue shed.");

    private readonly Counter<long> _failures =
        meter.CreateCounter<long>("dvis.sink.failures", "{failure}", "Publish calls that threw.");

    private readonly Histogram<double> _latency = meter.CreateHistogram(
        "dvis.sink.latency", "s", "From the decoded frame to the hand-over of its result by a sink.", null,
        Buckets.OfFrames);

    /// <param name="reason"><c>queue_full</c> or <c>shutdown</c>.</param>
    public void Dropped(string sink, string reason) =>
        _dropped.Add(1, Tag("sink", sink), Tag("reason", reason));

    public void Failed(string sink) => _failures.Add(1, Tag("sink", sink));

    /// <param name="stage"><c>provisional</c> or <c>final</c>.</param>
    public void HandedOver(string sink, string stage, TimeSpan age) =>
        _latency.Record(age.TotalSeconds, Tag("sink", sink), Tag("stage", stage));
}
