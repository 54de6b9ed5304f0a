using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>A sink with short pauses, its metrics and its log.</summary>
internal sealed class MqttRig : IAsyncDisposable
{
    public MqttRig(string server, Action<MqttOptions>? change = null, SinkContext? context = null,
        ICameraCommands? commands = null, TimeProvider? time = null)
    {
        Options = new()
        {
            Servers = [server],
            Backoff = { Initial = TimeSpan.FromMilliseconds(20), Max = TimeSpan.FromMilliseconds(100) }
        };
        change?.Invoke(Options);
        Transport = new(new MqttNetTransport(Options, Options.ClientIdOf("gate-3"), TimeProvider.System));
        context ??= SomeResult.Context();
        foreach (var camera in context.Cameras) Metrics.Metrics.Camera(camera.Name);
        Sink = new(Options, context, Metrics.Metrics, new MqttStatus(), time ?? TimeProvider.System, Log, commands,
            Transport);
    }

    public MqttOptions Options { get; }

    public CuttableTransport Transport { get; }

    public MqttSink Sink { get; }

    public MetricProbe Metrics { get; } = new();

    public LogProbe<MqttSink> Log { get; } = new();

    public bool Connected => Metrics.Sum("dvis.mqtt.connected") == 1;

    public async Task StartAsync()
    {
        await Sink.StartAsync(default);
        await Eventually.TrueAsync(() =>
            Connected, $"connected; log: {string.Join('\n', Log.Entries.Select(e => e.Text))}");
    }

    /// <summary>The log's texts of one event.</summary>
    public IReadOnlyList<string> Logged(int id) => [.. Log.Entries.Where(e => e.Id == id).Select(e => e.Text)];

    public Task RefusedAsync(string reason)
        => Eventually.TrueAsync(() => Metrics.Sum("dvis.mqtt.connects", $"reason={reason}") >= 2,
            $"refused: {reason}; log: {string.Join('\n', Log.Entries.Select(e => e.Text))}");

    public async ValueTask DisposeAsync()
    {
        await Sink.DisposeAsync();
        Metrics.Dispose();
    }
}

/// <summary>The real transport with a knife:
/// cuts the present connection as a crash would, and can keep it cut.</summary>
internal sealed class CuttableTransport(IMqttTransport real) : IMqttTransport
{
    private IMqttConnection? _connection;

    public bool Down { get; set; }

    public async Task<MqttConnectResult> ConnectAsync(MqttServer server, BrokerLimits known, MqttWill will,
        IMqttListener listener, CancellationToken cancel)
    {
        if (Down) return new(null, new(MqttFault.Refused, "down"));
        var result = await real.ConnectAsync(server, known, will, listener, cancel);
        _connection = result.Connection;
        return result;
    }

    public async Task CutAsync()
    {
        if (_connection is { } connection) await connection.DisposeAsync();
    }
}
