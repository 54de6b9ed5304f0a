using static Dvis.Streaming.Sinks.Mqtt.Mosquitto.Native;

namespace Dvis.Streaming.Sinks.Mqtt.Mosquitto;

/// <summary>
/// MQTT by libmosquitto. Every attempt gets a client of its own, so that the library never holds more than what was handed to this
/// connection, and a thread of its own, which alone runs the library's loop.
/// </summary>
public sealed class MosquittoTransport : IMqttTransport
{
    private static readonly Lock Initialising = new();
    private readonly MqttOptions _options;
    private readonly string _clientId;
    private readonly TimeProvider _time;

    /// <exception cref="InvalidOperationException">The library is not installed.</exception>
    public MosquittoTransport(MqttOptions options, string clientId, TimeProvider time)
    {
        (_options, _clientId, _time) = (options, clientId, time);
        try
        {
            // It counts, and is never undone. The call itself is not thread-safe.
            lock (Initialising) _ = mosquitto_lib_init();
        }
        catch (DllNotFoundException e)
        {
            throw new InvalidOperationException($"MQTT needs {Library} (Debian package libmosquitto1), which was not found.", e);
        }
    }

    public async Task<MqttConnectResult> ConnectAsync(MqttServer server, MqttWill will, IMqttListener listener, CancellationToken cancel)
    {
        if (Secrets.Read(_options, out var secrets) is { } fault) return new(null, fault);
        var connection = new MosquittoConnection(new(server, _clientId, secrets, will, _options), listener, _time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var timeout = Task.Delay(_options.ConnectTimeout, _time, limit.Token);
        var connected = connection.ConnectAsync();
        if (await Task.WhenAny(connected, timeout) == connected)
        {
            await limit.CancelAsync();
            var result = await connected;
            return result.Connection is null ? result with { Outcome = await ExplainAsync(server, result.Outcome, cancel) } : result;
        }

        // The thread may sit in getaddrinfo or connect, which nothing interrupts. It frees everything itself when the kernel lets go.
        connection.Abandon();
        cancel.ThrowIfCancellationRequested();
        return new(null, new(MqttFault.Timeout, $"no answer within {_options.ConnectTimeout}"));
    }

    private async Task<MqttOutcome> ExplainAsync(MqttServer server, MqttOutcome outcome, CancellationToken cancel)
    {
        using var timeout = new CancellationTokenSource(_options.ConnectTimeout, _time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel, timeout.Token);
        return await TlsDiagnosis.ExplainAsync(server, _options.Tls, outcome, limit.Token);
    }
}

/// <summary>All that one attempt needs.</summary>
internal sealed record MosquittoTarget(MqttServer Server, string ClientId, Secrets Secrets, MqttWill Will, MqttOptions Options);
