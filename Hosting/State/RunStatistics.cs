using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;

namespace Dvis.Streaming.Hosting.State;

/// <summary>State and counts of this run, for console, health and summary. Thread-safe.</summary>
internal sealed class RunStatistics(PipelineMetrics metrics, MqttStatus mqtt)
{
    public IEnumerable<CameraTally> Cameras => metrics.Cameras.Select(c => c.Tally);

    public MqttStatus Mqtt => mqtt;
}
