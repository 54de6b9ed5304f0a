using System.Diagnostics.Metrics;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>How taking over changed configurations went.</summary>
internal sealed class ReloadMetrics
{
    private readonly Counter<long> _reloads;
    private readonly Gauge<long> _successful;
    private readonly Gauge<double> _success;

    public ReloadMetrics(PipelineMetrics metrics, TimeProvider time)
    {
        _reloads = metrics.Meter.CreateCounter<long>("dvis.config.reloads", "{reload}", "Attempts to take over a changed configuration, by outcome.");
        _successful = metrics.Meter.CreateGauge<long>("dvis.config.last_reload.successful", null, "0 when the files say something that could not be taken over.");
        _success = metrics.Meter.CreateGauge<double>("dvis.config.last_reload.success.timestamp", "s", "When the configuration was last taken over; at first, the start.");
        foreach (var outcome in ReloadReport.Outcomes) _reloads.Add(0, new KeyValuePair<string, object?>("outcome", outcome));
        Succeeded(time.GetUtcNow());
    }

    public void Reloaded(ReloadReport report)
    {
        _reloads.Add(1, new KeyValuePair<string, object?>("outcome", report.Outcome));
        if (report.Successful) Succeeded(report.At);
        else _successful.Record(0);
    }

    private void Succeeded(DateTimeOffset at)
    {
        _successful.Record(1);
        _success.Record(at.ToUnixTimeMilliseconds() / 1000.0);
    }
}
