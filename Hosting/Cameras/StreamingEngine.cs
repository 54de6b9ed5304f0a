using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sources;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>The real thing: one model for all cameras, one pipeline a camera, one fan-out to all sinks.</summary>
internal sealed partial class StreamingEngine(
    LoadedConfig config, PipelineMetrics metrics, MqttStatus mqtt, FramePool frames, Heartbeats beats, CommandDesk commands,
    RunState state, TimeProvider time, ILoggerFactory loggers) : IEngine
{
    // Messages that wait for one sink. A second of ten cameras at 25 frames; more would be stale.
    private const int SinkQueueCapacity = 256;

    private readonly StreamingOptions _options = config.Options;
    private readonly ILogger _logger = loggers.CreateLogger<StreamingEngine>();
    private readonly TensorPool _tensors = new();
    private readonly ConcurrentDictionary<string, Camera> _cameras = new();
    private DvisModels? _models;
    private SegmenterBatcher? _segmenter;
    private FanOut? _fanOut;
    private StatusRelay? _relay;
    private int _running;
    private bool _disposed;

    public async Task StartAsync(CancellationToken cancel)
    {
        _models = await Task.Run(() => DvisModels.Load(_options.Model, _options.Runtime, loggers.CreateLogger<DvisModels>()), cancel);
        _segmenter = new SegmenterBatcher(_models.Segmenter, _models.Manifest, _options.Runtime.Batch, _tensors, metrics, time);
        _fanOut = await StartSinksAsync(_models.Manifest, cancel);
        _relay = new StatusRelay(_fanOut, time);
        EngineMetrics.Register(metrics, _options, _models, frames, _tensors);
        foreach (var (name, camera) in _options.Cameras) AddCamera(name, camera);
    }

    public void AddCamera(string camera, CameraOptions options)
    {
        if (!_cameras.TryAdd(camera, CreateCamera(camera, options))) throw new InvalidOperationException($"Camera {camera} is there already.");
        metrics.Camera(camera).Initialize();
        Warn(camera, CameraWarnings.Of(_models!.Manifest, options));
    }

    public async Task RemoveCameraAsync(string camera)
    {
        if (!_cameras.TryRemove(camera, out var gone)) return;
        gone.Silence();
        await _relay!.ForgetAsync(camera);
        state.Warn(camera, []);
    }

    public async Task AnnounceAsync(LoadedConfig config) => await _fanOut!.PublishAsync(SinkFactory.Change(config));

    public async Task<bool> RunCameraAsync(string camera, CancellationToken stop)
    {
        Interlocked.Increment(ref _running);
        try
        {
            var cam = _cameras[camera];
            await cam.Pipeline().RunAsync(stop);
            return !cam.FailedForGood;
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    public void CameraBroke(string camera, int attempt, TimeSpan? retry)
    {
        metrics.Find(camera)?.StateChanged("offline");
        _relay!.Post(new CameraStatus(
            camera, CameraState.Offline, time.GetUtcNow(), SourceFault.Unknown, "the pipeline of this camera broke; the log says why",
            attempt, retry?.TotalSeconds, 0, 0, null, null, null));
    }

    public void CameraDisabled(string camera)
    {
        metrics.Find(camera)?.StateChanged("disabled");
        _relay!.Post(new CameraStatus(camera, CameraState.Disabled, time.GetUtcNow(), SourceFault.Ok, "disabled by a command", 0, null, 0, 0, null, null, null));
    }

    public void ResetTracker(string camera)
    {
        if (_cameras.TryGetValue(camera, out var running)) running.Reset.Ask();
    }

    public async Task<bool> FlushAsync(TimeSpan limit)
    {
        if (_relay is not null) await _relay.StopAsync();
        return _fanOut is null || await _fanOut.StopAsync(limit);
    }

    public async ValueTask DisposeAsync()
    {
        // The service ends it in time; the container would do so once more.
        if (_disposed) return;
        _disposed = true;
        if (_fanOut is not null) await _fanOut.DisposeAsync();
        // A pipeline that did not end in time still works in the model's memory; the process ends anyway.
        if (Volatile.Read(ref _running) > 0) return;
        if (_segmenter is not null) await _segmenter.DisposeAsync();
        _models?.Dispose();
        _tensors.Dispose();
    }

    private async Task<FanOut> StartSinksAsync(ModelManifest manifest, CancellationToken cancel)
    {
        try
        {
            var sinks = SinkFactory.Create(config, manifest, metrics, mqtt, commands, time, loggers);
            var fanOut = new FanOut(sinks, SinkQueueCapacity, metrics, time, loggers.CreateLogger<FanOut>());
            await fanOut.StartAsync(cancel);
            return fanOut;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            throw new StartupException($"a sink cannot start: {e.Message}", e);
        }
    }

    /// <summary>Warns in the log once; in state and health for as long as the camera is there.</summary>
    private void Warn(string camera, ImmutableArray<CameraWarning> warnings)
    {
        _relay!.Warn(camera, warnings);
        state.Warn(camera, warnings);
        foreach (var warning in warnings) LogWarning(_logger, camera, warning.Detail);
    }

    private Camera CreateCamera(string name, CameraOptions options)
    {
        var (camera, measured) = (new Camera(name, _relay!, time), metrics.Camera(name));
        var context = new CameraContext(
            name, _models!, _tensors, camera, measured, time, options.Settings.Track, options.Settings.Publish,
            _options.Model.Refiner)
        { Panoptic = options.Settings.Panoptic, Beats = beats, Reset = camera.Reset };
        var source = SourceFactory.Create(
            measured, options.ToSource(), frames, time, loggers, camera.OnStatus, OpenCv.Decoder);
        camera.Pipeline = () => new StreamPipeline(context, source, _segmenter!, options.Settings.Queue, loggers.CreateLogger<StreamPipeline>());
        return camera;
    }

    /// <summary>One camera, and its way to the sinks. Its source outlives a crash of the pipeline, so that frame ids go on.</summary>
    private sealed class Camera(string name, StatusRelay relay, TimeProvider time) : IPublisher
    {
        private volatile CameraStatus? _status;
        private volatile bool _silent;

        public Func<StreamPipeline> Pipeline { get; set; } = null!;

        public ResetRequest Reset { get; } = new();

        /// <summary>The source gave up: its file cannot be read, say.</summary>
        public bool FailedForGood => _status is { State: CameraState.Offline, NextRetrySeconds: null, Reason: not (SourceFault.Ok or SourceFault.Eof) };

        public ValueTask PublishAsync(PipelineMessage message) => _silent ? ValueTask.CompletedTask : relay.PublishAsync(message);

        // On the source's thread.
        public void OnStatus(CameraStatus status)
        {
            _status = status;
            if (!_silent) relay.Post(status);
        }

        /// <summary>Its last word. A pipeline that hangs, and is left behind, must not speak for a camera that no longer exists.</summary>
        public void Silence()
        {
            if (_status is not { State: CameraState.Offline })
                relay.Post(new CameraStatus(name, CameraState.Offline, time.GetUtcNow(), SourceFault.Ok, null, 0, null, 0, 0, _status?.LastFrame, null, null));
            _silent = true;
        }
    }

    [LoggerMessage(4501, LogLevel.Warning, "Camera {Camera}: {Detail}")]
    private static partial void LogWarning(ILogger logger, string camera, string detail);
}
