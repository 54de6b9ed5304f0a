using System.Collections.Immutable;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.JsonLines;
using Dvis.Streaming.Sinks.Mqtt;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Payloads;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Parts that all cameras share, set by <see cref="StartAsync"/>: model, segmenter and sinks.</summary>
/// <param name="viewer">Receiver of frames and results for the page; null: no page.</param>
internal sealed class Engine(
    LoadedConfig config, PipelineMetrics metrics, HostMetrics host, MqttStatus mqtt, TensorPool tensors,
    FramePool frames, TimeProvider time, ILoggerFactory loggers, ICameraViewer? viewer = null) : IAsyncDisposable
{
    // Messages that wait for one sink: a second of ten cameras at 25 frames per second; more would be stale.
    private const int SinkQueueCapacity = 256;

    private readonly StreamingOptions _options = config.Options;
    private bool _disposed;

    public ModelGraphs Models { get; private set; } = null!;

    public SegmenterBatcher Segmenter { get; private set; } = null!;

    public FanOut Sinks { get; private set; } = null!;

    public TensorPool Tensors => tensors;

    public FramePool Frames => frames;

    /// <summary>Receiver of the frames of all cameras; null: none.</summary>
    public Action<Frame>? Watch => viewer is null ? null : viewer.Watch;

    /// <summary>The model that runs.</summary>
    public RunningModel Running => new(
        Models.Manifest, Models.Manifest.Resolve(_options.Model.Precision),
        (Models.Segmenter as OnnxModel)?.Provider ?? "none");

    public RefinerOptions Refiner => _options.Model.Refiner;

    public bool ResetEndedSlots => _options.Model.ResetEndedSlots;

    /// <summary>Loads the model and starts the sinks.</summary>
    /// <exception cref="ModelException">The model cannot be used.</exception>
    /// <exception cref="CommandException">A sink cannot start.</exception>
    public async Task StartAsync(ICameraCommands commands, CancellationToken cancel)
    {
        var logger = loggers.CreateLogger<ModelGraphs>();
        var models = await Task.Run(() => ModelGraphs.Load(_options.Model, _options.Runtime, logger), cancel);
        Models = models.Share(_options.Runtime.Batch.Max, tensors, metrics.BatchRun);
        Segmenter = new SegmenterBatcher(
            Models.Segmenter, Models.Manifest, _options.Runtime.Batch, tensors, metrics, time);
        try
        {
            Sinks = new FanOut(
                [.. CreateSinks(commands)], SinkQueueCapacity, metrics, time, loggers.CreateLogger<FanOut>());
            await Sinks.StartAsync(cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            throw new CommandException(ExitCode.Failed, $"a sink cannot start: {e.Message}", e);
        }

        host.ObserveModel(Models, Models.Manifest.Resolve(_options.Model.Precision));
    }

    /// <summary>Publishes that the cameras of the configuration have changed.</summary>
    public ValueTask PublishAsync(LoadedConfig changed) =>
        Sinks.PublishAsync(new CamerasChanged(CamerasOf(changed), EffectiveConfig.Hash(changed)));

    public async ValueTask DisposeAsync()
    {
        // The service disposes it in time, and the container once more.
        if (_disposed) return;
        _disposed = true;
        if (Sinks is not null) await Sinks.DisposeAsync();
        // A pipeline that did not end in time still uses the model's memory; the process ends anyway.
        if (Segmenter is { Cameras: > 0 }) return;
        if (Segmenter is not null) await Segmenter.DisposeAsync();
        Models?.Dispose();
    }

    private IEnumerable<IResultSink> CreateSinks(ICameraCommands commands)
    {
        var manifest = Models.Manifest;
        var precision = manifest.Resolve(_options.Model.Precision);
        var files = manifest.Files.Keys.Select(graph => manifest.FileOf(graph, precision)).OfType<ModelFile>();
        var model = new SinkModel(
            manifest.Name, manifest.Version, manifest.Task, $"{manifest.Name}/{manifest.Version}", manifest.Classes,
            [.. files.Select(f => new SinkModelFile(f.Path, f.Sha256))]);
        // The longest wait of a live frame, and a second for the refiner's own run.
        var finalDeadlineMs = (int)Refiner.MaxDelay.TotalMilliseconds + 1000;
        var context = new SinkContext(
            _options.Node.Id, Ulid.New(time), BuildInfo.Version, EffectiveConfig.Hash(config), finalDeadlineMs, model,
            CamerasOf(config));
        if (_options.Mqtt.Servers.Length > 0)
            yield return new MqttSink(
                _options.Mqtt, context, metrics, mqtt, time, loggers.CreateLogger<MqttSink>(), commands);
        if (_options.Sinks.JsonLines.Path is { Length: > 0 })
            yield return new JsonLinesSink(_options.Sinks.JsonLines, context, time);
        if (viewer is not null) yield return viewer;
    }

    private static ImmutableArray<SinkCamera> CamerasOf(LoadedConfig config) =>
        [.. config.Options.Cameras.Select(c => new SinkCamera(c.Key, c.Value.Results.Publish)
        {
            Zones = [.. c.Value.Zones.Keys],
        })];
}
