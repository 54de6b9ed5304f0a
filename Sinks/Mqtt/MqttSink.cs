using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;
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

/// <summary>
/// Publishes everything over MQTT: state retained, provisional results at once or never, finals and events until
/// acknowledged. A broker that is away makes no call fail or wait.
/// </summary>
public sealed partial class MqttSink : IResultSink
{
    private static readonly TimeSpan Welcome = TimeSpan.FromSeconds(1), Farewell = TimeSpan.FromSeconds(1);
    private static readonly byte[] Online = "online"u8.ToArray(), Offline = "offline"u8.ToArray();

    private readonly MqttOptions _options;
    private SinkContext _context; // the cameras of it: of the fan-out's loop, as all publishing
    private readonly PipelineMetrics _frames;
    private readonly MqttMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<MqttSink> _logger;
    private readonly MqttClient _client;
    private readonly NodeTopics _topics;
    private readonly Dictionary<string, CameraPublisher> _cameras = [];
    private readonly Encoders _encoders;
    private readonly Lock _documents = new(); // the connection's thread makes them again when they must be smaller
    private readonly DateTimeOffset _started;
    private readonly CommandListener? _commands;
    private bool _announced;

    /// <exception cref="InvalidOperationException">The outbox's folder cannot be used.</exception>
    public MqttSink(
        MqttOptions options, SinkContext context, PipelineMetrics metrics, MqttStatus status, TimeProvider time,
        ILogger<MqttSink> logger, ICameraCommands? commands = null)
        : this(
            options, context, new MqttNetTransport(options, ClientId.For(options.ClientId, context.Node), time),
            metrics, status, time, logger, commands)
    {
    }

    public MqttSink(
        MqttOptions options, SinkContext context, IMqttTransport transport, PipelineMetrics metrics, MqttStatus status,
        TimeProvider time, ILogger<MqttSink> logger, ICameraCommands? commands = null)
    {
        (_options, _context, _frames, _time, _logger) = (options, context, metrics, time, logger);
        _metrics = new(metrics.Meter, status);
        _started = time.GetUtcNow();
        _topics = new(options.Root, context.Node);
        var will = new MqttWill(_topics.Availability, Offline, Session);
        _client = new(options, transport, will, _metrics, time, logger);
        _encoders = new(context, time);
        foreach (var camera in context.Cameras) _cameras.Add(camera.Name, Publisher(camera));
        if (options.Commands.Enabled && commands is not null)
            _commands = new(options.Commands, _topics, context.Session, commands, _client, _metrics, time, logger);
    }

    public string Name => "mqtt";

    public bool Lossless => false;

    // Ties "online" and the will's "offline" to one run, so that a late will of an old one is recognised.
    private KeyValuePair<string, string>[] Session => [new("session", _context.Session)];

    public async Task StartAsync(CancellationToken cancel)
    {
        _client.Delivery.Publish(_topics.Availability, Online, Session);
        PublishDocuments();
        _client.Delivery.LimitChanged = PublishDocuments;
        foreach (var camera in _cameras.Values) Announce(camera, _started);
        _announced = true;
        RetainedSweep.Start(_client, _topics);
        _commands?.Start();
        _client.Start();
        // Provisional results are not kept: without this a short video could begin, or be over,
        // while the connection is being made.
        await Task.WhenAny(_client.Tried, Task.Delay(Welcome, _time, cancel));
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
            CameraStatus status => camera.Publish(status),
            _ => 0,
        };
        if (lost > 0 && _encoders.Lost.Add(lost) is > 0 and var count) LogTooLarge(count, message.Camera);
        return ValueTask.CompletedTask;
    }

    /// <summary>Repeats the status: its acknowledgement also proves that all QoS 0
    /// messages before it were read.</summary>
    public Task FlushAsync(CancellationToken cancel)
    {
        PublishStatus();
        return _client.Delivery.FlushAsync(cancel);
    }

    /// <summary>Says <c>offline</c> for the cameras and the node when the broker is there, and goodbye.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_commands is not null) await _commands.DisposeAsync();
        if (_announced)
        {
            foreach (var camera in _cameras.Values) camera.GoOffline();
            _client.Delivery.Publish(_topics.Availability, Offline, Session);
            using var limit = new CancellationTokenSource(Farewell, _time);
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

    private CameraPublisher Publisher(SinkCamera camera) =>
        new(camera, new(_topics, camera, _context.Model, _options.Protocol == MqttProtocol.V5), _options,
            _client.Delivery,
            _encoders, _metrics, _frames, _time);

    private static void Announce(CameraPublisher camera, DateTimeOffset since) =>
        camera.Announce(
            new(camera.Name, CameraState.Starting, since, SourceFault.Ok, null, 0, null, 0, 0, null, null, null));

    private void Apply(CamerasChanged changed)
    {
        var (old, now) = (_context.Cameras, changed.Cameras);
        _context = _context with { Cameras = now, ConfigHash = changed.ConfigHash };
        foreach (var gone in old.Where(o => now.All(c => c.Name != o.Name)))
        {
            _cameras[gone.Name].Remove();
            _cameras.Remove(gone.Name);
        }

        foreach (var camera in now)
        {
            if (_cameras.TryGetValue(camera.Name, out var publisher))
            {
                publisher.Change(camera);
                continue;
            }

            _cameras.Add(camera.Name, publisher = Publisher(camera));
            Announce(publisher, _time.GetUtcNow());
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
        lock (_documents)
            _client.Delivery.Publish(_topics.Status, Documents.Status(_context, _started, _options.MaxMessageBytes,
                _options.MaxMaskBytes, Budget(_topics.Status)));
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
