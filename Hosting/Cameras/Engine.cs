using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>
/// Parts that all cameras share: the model, the segmenter and the sinks. They are set by <see cref="StartAsync"/>.
/// </summary>
internal sealed class Engine(
    LoadedConfig config, PipelineMetrics metrics, HostMetrics host, MqttStatus mqtt, TensorPool tensors,
    TimeProvider time, ILoggerFactory loggers) : IAsyncDisposable
{
    // Messages that wait for one sink. A second of ten cameras at 25 frames; more would be stale.
    private const int SinkQueueCapacity = 256;

    private readonly StreamingOptions _options = config.Options;
    private bool _disposed;

    public ModelGraphs Models { get; private set; } = null!;

    public SegmenterBatcher Segmenter { get; private set; } = null!;

    public FanOut Sinks { get; private set; } = null!;

    public TensorPool Tensors => tensors;

    public RefinerOptions Refiner => _options.Model.Refiner;

    /// <summary>Loads the model and starts the sinks.</summary>
    /// <exception cref="ModelException">The model cannot be used.</exception>
    /// <exception cref="StartupException">A sink cannot start.</exception>
    public async Task StartAsync(ICameraCommands commands, CancellationToken cancel)
    {
        var logger = loggers.CreateLogger<ModelGraphs>();
        Models = await Task.Run(() => ModelGraphs.Load(_options.Model, _options.Runtime, logger), cancel);
        Segmenter = new SegmenterBatcher(
            Models.Segmenter, Models.Manifest, _options.Runtime.Batch, tensors, metrics, time);
        try
        {
            var sinks = SinkFactory.Create(config, Models.Manifest, metrics, mqtt, commands, time, loggers);
            Sinks = new FanOut(sinks, SinkQueueCapacity, metrics, time, loggers.CreateLogger<FanOut>());
            await Sinks.StartAsync(cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            throw new StartupException($"a sink cannot start: {e.Message}", e);
        }

        host.ObserveModel(Models, Models.Manifest.Resolve(_options.Model.Precision));
    }

    public async ValueTask DisposeAsync()
    {
        // The service ends it in time; the container would do so once more.
        if (_disposed) return;
        _disposed = true;
        if (Sinks is not null) await Sinks.DisposeAsync();
        // A pipeline that did not end in time still works in the model's memory; the process ends anyway.
        if (Segmenter is { Cameras: > 0 }) return;
        if (Segmenter is not null) await Segmenter.DisposeAsync();
        Models?.Dispose();
    }
}
