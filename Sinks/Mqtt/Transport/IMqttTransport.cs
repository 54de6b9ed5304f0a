using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Port of the MQTT client library; it retries nothing.</summary>
public interface IMqttTransport
{
    /// <summary>Attempts to connect to one server. Expected failures are values.</summary>
    Task<MqttConnectResult> ConnectAsync(MqttServer server, MqttWill will, IMqttListener listener,
        CancellationToken cancel);
}

/// <param name="Connection">Null unless the broker accepted it.</param>
/// <param name="MaximumPacketSize">The broker's limit in bytes of a whole packet; int.MaxValue: none.</param>
/// <param name="ReceiveMaximum">The broker's limit of QoS 1 messages in flight.</param>
public sealed record MqttConnectResult(IMqttConnection? Connection, MqttOutcome Outcome,
    int MaximumPacketSize = int.MaxValue, int ReceiveMaximum = 65535);

/// <summary>Connection that the broker accepted. Disposing closes the socket without DISCONNECT: the broker publishes
/// the will.</summary>
public interface IMqttConnection : IAsyncDisposable
{
    /// <summary>Reason of the end of the connection, once it has ended.</summary>
    Task<MqttOutcome> Ended { get; }

    /// <summary>Hands over one message; never waits. With QoS 1 <paramref name="token"/> comes back with the
    /// acknowledgement, with QoS 0 <see cref="IMqttListener.Written"/> is called, in order. Thread-safe.</summary>
    MqttHandOver Publish(in MqttMessage message, long token);

    /// <summary>Subscribes to a topic filter at QoS 1, retained messages included and own ones excluded; never waits. A
    /// refusal is not reported. Thread-safe.</summary>
    void Subscribe(string filter);

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
    void Written(IMqttConnection connection);

    /// <param name="reason">MQTT 5 PUBACK reason; 0x80 and above refuse the message.</param>
    void Acknowledged(IMqttConnection connection, long token, int reason);

    /// <summary>A message of a subscription, of at most <see cref="MqttReceived.MaxPayload"/> bytes.</summary>
    void Received(IMqttConnection connection, MqttReceived message);
}
