using System.Collections.Concurrent;

namespace Dvis.Streaming.Sinks.Mqtt.Telemetry;

/// <summary>State of the MQTT sink, for health and summary. Thread-safe.</summary>
public sealed class MqttStatus
{
    private readonly ConcurrentDictionary<(string Kind, string Outcome), long> _messages = new();

    /// <summary>A broker has accepted the connection.</summary>
    public bool Connected { get; set; }

    /// <summary>False when the last broker accepted QoS 0 only.</summary>
    public bool Acknowledges { get; set; } = true;

    /// <summary>Unacknowledged messages outlive the process: the outbox's disk works.</summary>
    public bool OutboxOnDisk { get; set; }

    /// <param name="kind"><c>tracks, final, event, state, masks, node, command</c>.</param>
    /// <param name="outcome"><c>sent, resent, acked, expired, dropped, failed</c>.</param>
    public long Messages(string kind, string outcome) => _messages.GetValueOrDefault((kind, outcome));

    /// <inheritdoc cref="Messages(string, string)"/>
    public long Messages(string outcome) => _messages.Where(m => m.Key.Outcome == outcome).Sum(m => m.Value);

    internal void Count(string kind, string outcome, long count) =>
        _messages.AddOrUpdate((kind, outcome), static (_, n) => n, static (_, old, n) => old + n, count);
}
