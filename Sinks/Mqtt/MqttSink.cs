using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Client;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using Dvis.Streaming.Sinks.Payloads;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sinks.Mqtt;

/// <summary>Sink that publishes over MQTT: state retained, provisional results at once or never, finals and events
/// until acknowledged. Without a broker no call fails or waits.</summary>
public sealed partial class MqttSink : IResultSink
{
    private static readonly TimeSpan s_connectWait = TimeSpan.FromSeconds(1), s_flushTimeout = TimeSpan.FromSeconds(1);

    private readonly MqttOptions _options;
    private SinkContext _context;
    private readonly PipelineMetrics _frames;
    private readonly MqttMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<MqttSink> _logger;
    private readonly MqttClient _client;
    private readonly NodeTopics _topics;
    private readonly Dictionary<string, CameraPublisher> _cameras = [];
    private readonly Dictionary<string, CameraSequences> _sequences = [];
    private readonly Encoders _encoders;
    private readonly RepeatedReport _logTooLarge;
    private long _tooLarge;
    private readonly Lock _documents = new(); // the connection's thread publishes smaller ones when it has to
    private readonly DateTimeOffset _started;
    private readonly CommandListener? _commands;
    private bool _announced;

    /// <exception cref="InvalidOperationException">The outbox's folder cannot be used.</exception>
    public MqttSink(
        MqttOptions options, SinkContext context, PipelineMetrics metrics, MqttStatus status, TimeProvider time,
        ILogger<MqttSink> logger, ICameraCommands? commands = null, IMqttTransport? transport = null)
    {
        (_options, _context, _frames, _time, _logger) = (options, context, metrics, time, logger);
        _metrics = new(metrics.Meter, status);
        _started = time.GetUtcNow();
        _topics = new(options.Root, context.Node);
        transport ??= new MqttNetTransport(options, options.ClientIdOf(context.Node), time);
        _client = new(options, transport, new(_topics.Availability, Offline, Session), _metrics, time, logger);
        _encoders = new(context, time);
        _logTooLarge = new(time);
        foreach (var camera in context.Cameras) AddPublisher(camera);
        if (options.Commands.Enabled && commands is not null)
            _commands = new(options.Commands, _topics, context.Session, commands, _client.Delivery, _metrics, logger);
    }

    internal static byte[] Online { get; } = "online"u8.ToArray();

    internal static byte[] Offline { get; } = "offline"u8.ToArray();

    public string Name => "mqtt";

    public bool Lossless => false;

    // Ties "online" and the will's "offline" to one run, so that a late will of an earlier run is recognised.
    private KeyValuePair<string, string>[] Session => [new("session", _context.Session)];

    public async Task StartAsync(CancellationToken cancel)
    {
        _client.Delivery.Publish(_topics.Availability, Online, Session);
        PublishDocuments();
        _client.Delivery.LimitChanged = PublishDocuments;
        foreach (var publisher in _cameras.Values) publisher.Announce(_started);
        _announced = true;
        // Only the broker has what an earlier run retained of cameras and classes that no longer exist.
        var camera = $"{_topics.Prefix}/camera/+";
        _commands?.Start();
        _client.Delivery.Subscribe("Retained topics of cameras that are gone are not cleared",
            [$"{camera}/availability", $"{camera}/state", $"{camera}/count/+", $"{camera}/zone/+/count"], message =>
            {
                if (message is { Retained: true, Payload.Length: > 0 })
                    _client.Delivery.ClearUnannounced(message.Topic);
            });
        _client.Start();
        // Provisional results are not kept: a short video could be over before the connection is made.
        await Task.WhenAny(_client.Tried, Task.Delay(s_connectWait, _time, cancel));
    }

    public ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
    {
        if (message is CamerasChanged changed)
        {
            Apply(changed);
            return ValueTask.CompletedTask;
        }

        if (!_cameras.TryGetValue(message.Camera, out var camera))
            throw new ArgumentException($"camera {message.Camera} is not in the sink's context", nameof(message));
        var lost = message switch
        {
            ProvisionalResult result => camera.Publish(result),
            FinalResult result => camera.Publish(result),
            LifecycleEvent e => camera.Publish(e),
            TrackSnapshot snapshot => camera.Publish(snapshot),
            CameraStatus status => camera.Publish(status),
            _ => 0,
        };
        _tooLarge += lost;
        if (lost == 0 || !_logTooLarge.Pass()) return ValueTask.CompletedTask;
        LogTooLarge(_tooLarge, message.Camera);
        _tooLarge = 0;
        return ValueTask.CompletedTask;
    }

    /// <summary>Repeats the status: its acknowledgement also confirms the QoS 0 messages before it.</summary>
    public Task FlushAsync(CancellationToken cancel)
    {
        PublishStatus();
        return _client.Delivery.FlushAsync(cancel);
    }

    /// <summary>Publishes <c>offline</c> for the cameras and the node, when connected, and disconnects.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_commands is not null) await _commands.DisposeAsync();
        if (_announced)
        {
            foreach (var camera in _cameras.Values) camera.GoOffline();
            _client.Delivery.Publish(_topics.Availability, Offline, Session);
            using var limit = new CancellationTokenSource(s_flushTimeout, _time);
            try
            {
                await _client.Delivery.FlushAsync(limit.Token);
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested)
            {
                if (_client.Delivery.OnDisk) LogUnsentKept(_client.Delivery.Outstanding);
                else LogUnsent(_client.Delivery.Outstanding);
            }
        }

        await _client.DisposeAsync();
        _encoders.Dispose();
    }

    private CameraPublisher AddPublisher(SinkCamera camera) => _cameras[camera.Name] =
        new(camera, CameraSequences.Of(_sequences, camera.Name), _topics, _options, _client.Delivery, _encoders,
            _metrics, _frames, _time);

    private void Apply(CamerasChanged changed)
    {
        var (old, now) = (_context.Cameras, changed.Cameras);
        _context = _context with { Cameras = now, ConfigHash = changed.ConfigHash };
        foreach (var name in old.Select(c => c.Name).Except(now.Select(c => c.Name)))
        {
            _cameras[name].Remove();
            _cameras.Remove(name);
        }

        foreach (var camera in now)
        {
            if (_cameras.TryGetValue(camera.Name, out var publisher)) publisher.Change(camera);
            else AddPublisher(camera).Announce(_time.GetUtcNow());
        }

        PublishStatus();
    }

    private void PublishDocuments()
    {
        PublishStatus();
        lock (_documents)
            _client.Delivery.Publish(_topics.Labels, Documents.Labels(_context.Model, Budget(_topics.Labels)));
    }

    private void PublishStatus()
    {
        var broker = _client.Delivery.Limits;
        var limits = new MessageLimits(_options.MaxMessageBytes, _options.MaxMaskBytes, broker.Qos, broker.Retain);
        lock (_documents)
            _client.Delivery.Publish(
                _topics.Status, Documents.Status(_context, _started, limits, Budget(_topics.Status)));
    }

    private int Budget(MqttTopic topic) => Math.Min(_options.MaxMessageBytes, _client.Delivery.PayloadLimit(topic));

    [LoggerMessage(3010, LogLevel.Warning,
        "{Count} record(s) of camera {Camera} did not fit into a message and were left out.")]
    private partial void LogTooLarge(long count, string camera);

    [LoggerMessage(3011, LogLevel.Warning,
        "Stopping with {Count} message(s) that the broker has not acknowledged; they are lost.")]
    private partial void LogUnsent(int count);

    [LoggerMessage(3013, LogLevel.Warning,
        "Stopping with {Count} message(s) that the broker has not acknowledged; finals and events are sent at the "
        + "next start.")]
    private partial void LogUnsentKept(int count);
}
