using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Port of the MQTT client library; it retries nothing.</summary>
public interface IMqttTransport
{
    /// <summary>Attempts to connect to one server. Expected failures are values.</summary>
    /// <param name="known">Limits that the server has shown; will and messages keep to them and to those of
    /// CONNACK.</param>
    Task<MqttConnectResult> ConnectAsync(MqttServer server, BrokerLimits known, MqttWill will, IMqttListener listener,
        CancellationToken cancel);
}

/// <param name="Connection">Null unless the broker accepted it.</param>
public sealed record MqttConnectResult(IMqttConnection? Connection, MqttOutcome Outcome)
{
    public BrokerLimits Limits { get; init; } = new();
}

/// <summary>Connection that the broker accepted. Disposing closes the socket without DISCONNECT: the broker publishes
/// the will.</summary>
public interface IMqttConnection : IAsyncDisposable
{
    /// <summary>Reason of the end of the connection, once it has ended.</summary>
    Task<MqttOutcome> Ended { get; }

    /// <summary>Hands over one message, at the broker's highest QoS if that is lower; never waits. With QoS 1
    /// <paramref name="token"/> comes back with the acknowledgement, with QoS 0 by
    /// <see cref="IMqttListener.Written"/>, in order. Thread-safe.</summary>
    MqttHandOver Publish(in MqttMessage message, long token);

    /// <summary>Subscribes to topic filters at QoS 1, retained messages included and own ones excluded; never waits.
    /// Thread-safe.</summary>
    void Subscribe(IReadOnlyList<string> filters);

    /// <summary>Sends DISCONNECT (no will) and closes.</summary>
    Task DisconnectAsync();
}

public enum MqttHandOver
{
    Accepted,

    /// <summary>Larger than the broker's Maximum Packet Size.</summary>
    TooLarge,

    /// <summary>The connection has ended (<see cref="IMqttConnection.Ended"/>), or its queue is full.</summary>
    Closed,

    /// <summary>MQTT has no form for this message.</summary>
    Invalid,
}

/// <summary>Listener of connections; called outside their locks, never after their end.</summary>
public interface IMqttListener
{
    /// <summary>The oldest unwritten QoS 0 message has been written to the socket.</summary>
    void Written(IMqttConnection connection, long token);

    /// <param name="reason">Highest reason of SUBACK; 0x80 and above refuse a filter.</param>
    void Subscribed(IMqttConnection connection, int reason);

    /// <param name="reason">MQTT 5 PUBACK reason; 0x80 and above refuse the message.</param>
    void Acknowledged(IMqttConnection connection, long token, int reason);

    /// <summary>A message of a subscription, of at most <see cref="MqttReceived.MaxPayload"/> bytes.</summary>
    void Received(IMqttConnection connection, MqttReceived message);
}
