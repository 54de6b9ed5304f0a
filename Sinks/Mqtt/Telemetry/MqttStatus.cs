using System.Collections.Concurrent;

namespace Dvis.Streaming.Sinks.Mqtt.Telemetry;

/// <summary>State of the MQTT sink, for health and summary. Thread-safe.</summary>
public sealed class MqttStatus
{
    private readonly ConcurrentDictionary<(string Kind, string Outcome), long> _messages = new();

    /// <summary>A broker has accepted the connection.</summary>
    public bool Connected { get; set; }

    /// <summary>Broker of the last attempt to connect, for example <c>mqtt://127.0.0.1:1883</c>; null before.</summary>
    public string? Server { get => Volatile.Read(ref field); private set => Volatile.Write(ref field, value); }

    /// <summary>Why there is no connection, in words; null while there is one, and before the first attempt.</summary>
    public string? Fault { get => Volatile.Read(ref field); private set => Volatile.Write(ref field, value); }

    /// <summary>Messages in the outbox, and their bytes; null without a sink.</summary>
    public Func<(long Messages, long Bytes)>? Outbox
    {
        get => Volatile.Read(ref field);
        internal set => Volatile.Write(ref field, value);
    }

    /// <summary>False when the last broker accepted QoS 0 only.</summary>
    public bool Acknowledges { get; set; } = true;

    /// <summary>Unacknowledged messages outlive the process: the outbox's disk works.</summary>
    public bool OutboxOnDisk { get; set; }

    /// <param name="kind"><c>tracks, final, event, state, masks, node, command</c>.</param>
    /// <param name="outcome"><c>sent, resent, acked, expired, dropped, failed</c>.</param>
    public long Messages(string kind, string outcome) => _messages.GetValueOrDefault((kind, outcome));

    /// <inheritdoc cref="Messages(string, string)"/>
    public long Messages(string outcome) => _messages.Where(m => m.Key.Outcome == outcome).Sum(m => m.Value);

    internal void Attempted(string server, string? fault) => (Server, Fault) = (server, fault);

    internal void Count(string kind, string outcome, long count) =>
        _messages.AddOrUpdate((kind, outcome), static (_, n) => n, static (_, old, n) => old + n, count);
}
