using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>Port of the MQTT client library: connect with a last will, publish, learn of acknowledgements,
/// subscribe. Nothing is retried below it.</summary>
public interface IMqttTransport
{
    /// <summary>One attempt at one server. Expected failures are values;
    /// <paramref name="cancel"/> gives the attempt up.</summary>
    Task<MqttConnectResult> ConnectAsync(MqttServer server, MqttWill will, IMqttListener listener,
        CancellationToken cancel);
}

/// <param name="Connection">Null unless the broker accepted us.</param>
/// <param name="MaximumPacketSize">The broker's limit in bytes of a whole packet;
/// int.MaxValue when it names none.</param>
/// <param name="ReceiveMaximum">QoS 1 messages the broker lets us have in flight.</param>
public sealed record MqttConnectResult(IMqttConnection? Connection, MqttOutcome Outcome,
    int MaximumPacketSize = int.MaxValue, int ReceiveMaximum = 65535);

/// <summary>A connection the broker accepted. Disposing closes the socket without a goodbye,
/// so that the will is published.</summary>
public interface IMqttConnection : IAsyncDisposable
{
    /// <summary>
    /// Hands over one message; never waits. For QoS 1 <paramref name="token"/> comes back with the acknowledgement, for
    /// QoS 0 <see cref="IMqttListener.Written"/> is called once it left, in order. Thread-safe.
    /// </summary>
    MqttHandOver Publish(in MqttMessage message, long token);

    /// <summary>
    /// Asks for the messages of a topic filter at QoS 1, those retained included and our own left out; never waits.
    /// They come by <see cref="IMqttListener.Received"/>. A broker that refuses sends none. Thread-safe.
    /// </summary>
    void Subscribe(string filter);

    /// <summary>Says goodbye (no will) and closes.</summary>
    Task DisconnectAsync(CancellationToken cancel);
}

public enum MqttHandOver
{
    Accepted,

    /// <summary>Larger than the broker's Maximum Packet Size.</summary>
    TooLarge,

    /// <summary>The connection is gone, which <see cref="IMqttListener.Closed"/> reports,
    /// or its queue is full.</summary>
    Closed,

    /// <summary>MQTT has no form for this message.</summary>
    Invalid,
}

/// <summary>Called from the transport's thread, never while one of its locks is held,
/// never after <see cref="Closed"/>.</summary>
public interface IMqttListener
{
    /// <summary>The oldest QoS 0 message handed over and not yet written has been written to the socket.</summary>
    void Written();

    /// <param name="reason">MQTT 5 PUBACK reason; 0x80 and above: the broker refused the message.</param>
    void Acknowledged(long token, int reason);

    /// <summary>A message of a topic that was subscribed to,
    /// of at most <see cref="MqttReceived.MaxPayload"/> bytes.</summary>
    void Received(MqttReceived message);

    void Closed(MqttOutcome outcome);
}
