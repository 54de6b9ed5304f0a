using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Payloads;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Benchmarks;

/// <summary>What the measured pipeline publishes to: a real broker, or nothing.</summary>
internal static class BenchSinks
{
    public static PublishOptions Publish { get; } = new() { Masks = MaskOutput.On, Contours = true };

    /// <param name="server"><c>mqtt://host:port</c>; null: no sink.</param>
    public static IEnumerable<IResultSink> Create(string? server, ModelManifest model, PipelineMetrics metrics)
    {
        if (server is null) return [];
        var options = new MqttOptions { Servers = [server] };
        var logger = NullLogger<MqttSink>.Instance;
        return [new MqttSink(options, Context(model), metrics, new MqttStatus(), TimeProvider.System, logger)];
    }

    public static SinkContext Context(ModelManifest model) => new(
        "bench", Ulid.New(TimeProvider.System), "bench", "", 0,
        new SinkModel(model.Name, model.Version, model.Task, $"{model.Name}/{model.Version}", model.Classes, []),
        [new SinkCamera(PipelineRun.Camera, Publish)]);
}
