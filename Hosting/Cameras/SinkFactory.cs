using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.JsonLines;
using Dvis.Streaming.Sinks.Mqtt;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Payloads;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Makes the sinks that the configuration asks for.</summary>
internal static class SinkFactory
{
    public static IReadOnlyList<IResultSink> Create(
        LoadedConfig config, ModelManifest manifest, PipelineMetrics metrics, MqttStatus mqtt, ICameraCommands commands,
        TimeProvider time, ILoggerFactory loggers)
    {
        var options = config.Options;
        var context = Context(config, manifest, time);
        var sinks = new List<IResultSink>();
        if (options.Mqtt.Servers.Length > 0)
        {
            var logger = loggers.CreateLogger<MqttSink>();
            sinks.Add(new MqttSink(options.Mqtt, context, metrics, mqtt, time, logger, commands));
        }

        if (options.Sinks.JsonLines.Path is { Length: > 0 })
            sinks.Add(new JsonLinesSink(options.Sinks.JsonLines, context, time));
        return sinks;
    }

    private static SinkContext Context(LoadedConfig config, ModelManifest manifest, TimeProvider time)
    {
        var options = config.Options;
        var precision = manifest.Resolve(options.Model.Precision);
        var files = manifest.Files.Keys.Select(graph => manifest.FileOf(graph, precision)).OfType<ModelFile>();
        var model = new SinkModel(
            manifest.Name, manifest.Version, manifest.Task, $"{manifest.Name}/{manifest.Version}", manifest.Classes,
            [.. files.Select(f => new SinkModelFile(f.Path, f.Sha256))]);
        return new SinkContext(
            options.Node.Id, Ulid.New(time), BuildInfo.Version, EffectiveConfig.Hash(config),
            FinalDeadlineMs(options.Model.Refiner), model, [.. Cameras(options)]);
    }

    /// <summary>Message to the sinks about a changed set of cameras.</summary>
    public static CamerasChanged Change(LoadedConfig config) =>
        new([.. Cameras(config.Options)], EffectiveConfig.Hash(config));

    private static IEnumerable<SinkCamera> Cameras(StreamingOptions options) =>
        options.Cameras.Select(c => new SinkCamera(c.Key, c.Value.Settings.Publish));

    // Of live frames, after their provisional result: the longest wait, and a second for the refiner's own run.
    private static int FinalDeadlineMs(RefinerOptions refiner) => (int)refiner.MaxDelay.TotalMilliseconds + 1000;
}
