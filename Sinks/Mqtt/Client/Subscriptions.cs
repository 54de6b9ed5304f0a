using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Transport;
using Microsoft.Extensions.Logging;
using MQTTnet;

namespace Dvis.Streaming.Sinks.Mqtt.Client;

/// <summary>Subscriptions of each connection, made one at a time and after the first acknowledgement: a broker may end
/// the connection of a client that subscribes, and results go first. What a broker refuses is logged once and not tried
/// there again in this run. Not thread-safe.</summary>
internal sealed partial class Subscriptions(TimeSpan pause, TimeProvider time, ILogger logger)
{
    private readonly List<Subscription> _all = [];
    private MqttServer? _server;
    private IMqttConnection? _connection;
    private bool _wildcards, _open, _asked;
    private long _attached;
    private int _next; // the one that is asked for, or will be

    /// <summary>True when the last connection ended by a SUBSCRIBE, as it seems.</summary>
    public bool Ended { get; private set; }

    /// <param name="loss">What is lost without it, as the beginning of a sentence.</param>
    public void Add(string loss, string[] filters, Action<MqttReceived> handler) =>
        _all.Add(new(loss, filters, handler));

    public void Attach(MqttServer server, IMqttConnection connection, BrokerLimits limits)
    {
        (_server, _connection, _wildcards) = (server, connection, limits.Wildcards);
        (_next, _asked, _open, _attached) = (0, false, limits.Qos == 0, time.GetTimestamp());
        Advance();
    }

    /// <summary>The broker has acknowledged a message of this connection.</summary>
    public void Open()
    {
        _open = true;
        Advance();
    }

    /// <summary>Sends the next SUBSCRIBE when it is due.</summary>
    public void Advance()
    {
        while (_open && !_asked && _connection is not null && _next < _all.Count)
        {
            var next = _all[_next];
            if (!_wildcards && next.Filters.Any(f => f.AsSpan().ContainsAny('+', '#')))
                GiveUp(next, "allows no subscriptions with wildcards");
            if (next.GivenUp.Contains(_server!))
            {
                _next++;
                continue;
            }

            // A connection that lasts until now and ends with this SUBSCRIBE ends because of it.
            if (next.Suspects.Contains(_server!) && time.GetElapsedTime(_attached) < pause) return;
            _asked = true;
            _connection.Subscribe(next.Filters);
        }
    }

    /// <param name="reason">Reason of SUBACK.</param>
    public void Answered(int reason)
    {
        var asked = _all[_next++];
        _asked = false;
        if (reason >= 0x80) GiveUp(asked, $"refuses the subscription (reason 0x{reason:X2})");
        else LogSubscribed(string.Join(", ", asked.Filters));
        asked.Suspects.Remove(_server!);
        Advance();
    }

    public void Detach(MqttOutcome outcome)
    {
        _connection = null;
        // Not authorized, topic filter invalid, shared, identifiers or wildcard subscriptions not supported.
        var isRefusal = outcome.Reason is 0x87 or 0x8F or 0x9E or 0xA1 or 0xA2;
        Ended = _asked && (isRefusal
            || outcome.Fault is MqttFault.ConnectionLost or MqttFault.ProtocolError or MqttFault.Rejected);
        if (!Ended) return;
        var asked = _all[_next];
        if (!asked.Suspects.Add(_server!) || isRefusal)
            GiveUp(asked, $"ends the connection when this client subscribes ({outcome.Detail})");
    }

    /// <summary>Handlers of a topic.</summary>
    public IEnumerable<Action<MqttReceived>> Of(string topic) => _all.Where(s => s.Filters.Any(f =>
        MqttTopicFilterComparer.Compare(topic, f) == MqttTopicFilterCompareResult.IsMatch)).Select(s => s.Handler);

    private void GiveUp(Subscription subscription, string reason)
    {
        if (subscription.GivenUp.Add(_server!)) LogGivenUp(subscription.Loss, _server!, reason);
    }

    [LoggerMessage(3015, LogLevel.Warning, "{Loss}: {Server} {Reason}. It is not tried again before the next start.")]
    private partial void LogGivenUp(string loss, MqttServer server, string reason);

    [LoggerMessage(3016, LogLevel.Debug, "Subscribed to {Filters}.")]
    private partial void LogSubscribed(string filters);

    private sealed record Subscription(string Loss, string[] Filters, Action<MqttReceived> Handler)
    {
        public HashSet<MqttServer> GivenUp { get; } = [];

        /// <summary>Servers whose connection ended once while this SUBSCRIBE had no answer.</summary>
        public HashSet<MqttServer> Suspects { get; } = [];
    }
}
