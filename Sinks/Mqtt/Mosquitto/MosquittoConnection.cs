using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static Dvis.Streaming.Sinks.Mqtt.Mosquitto.Native;

namespace Dvis.Streaming.Sinks.Mqtt.Mosquitto;

/// <summary>
/// One libmosquitto client and its thread. The thread creates, runs and destroys the client; other threads only publish, under
/// <see cref="_gate"/>, which also guards the client against being destroyed meanwhile. Native callbacks run on the loop thread and only
/// note what happened; the listener hears of it after the library has returned, when it holds no lock.
/// </summary>
internal sealed class MosquittoConnection(MosquittoTarget target, IMqttListener listener, TimeProvider time) : IMqttConnection
{
    // Longest sleep in the library's select: how late a dispose or a ping may come. A publish wakes it at once.
    private const int LoopMs = 250;
    private static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly Dictionary<int, long> _tokens = [];
    private readonly TaskCompletionSource<MqttConnectResult> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private nint _client;
    private volatile bool _stop;

    // Loop thread only: what the callbacks of the present loop call noted.
    private readonly List<(int Mid, int Reason)> _published = [];
    private readonly List<MqttReceived> _received = [];
    private (int Code, int MaximumPacketSize, int ReceiveMaximum)? _connack;
    private int? _disconnected;
    private string? _complaint;

    /// <summary>Starts the thread. Ends when the broker has answered or the attempt has failed.</summary>
    public Task<MqttConnectResult> ConnectAsync()
    {
        new Thread(Run) { IsBackground = true, Name = $"mqtt {target.Server.Host}" }.Start();
        return _connected.Task;
    }

    /// <summary>Nobody waits for this attempt any more.</summary>
    public void Abandon() => _stop = true;

    public unsafe MqttHandOver Publish(in MqttMessage message, long token)
    {
        var topic = message.Topic;
        lock (_gate)
        {
            if (_client == 0 || _stop) return MqttHandOver.Closed;
            var properties = Properties(topic.ContentType, message.ExpirySeconds, message.UserProperties, message.CorrelationData);
            int error, mid;
            fixed (byte* name = topic.Utf8, payload = message.Payload.Span)
                error = mosquitto_publish_v5(_client, out mid, name, message.Payload.Length, payload, topic.Qos, (byte)(topic.Retain ? 1 : 0), properties);
            mosquitto_property_free_all(ref properties);
            if (error == 0 && topic.Qos > 0) _tokens[mid] = token;
            return (Error)error switch
            {
                Error.Success => MqttHandOver.Accepted,
                Error.OversizePacket => MqttHandOver.TooLarge,
                Error.NoConn or Error.ConnLost => MqttHandOver.Closed,
                _ => MqttHandOver.Invalid,
            };
        }
    }

    public void Subscribe(string filter)
    {
        lock (_gate)
            if (_client != 0 && !_stop) _ = mosquitto_subscribe_v5(_client, 0, filter, 1, target.Options.Protocol == "5" ? NoLocal : 0, 0);
    }

    public async Task DisconnectAsync(CancellationToken cancel)
    {
        lock (_gate)
            if (_client != 0) _ = mosquitto_disconnect_v5(_client, 0, 0);
        try
        {
            // Behind a stalled socket the goodbye would wait for ever; then the will has to do.
            await _ended.Task.WaitAsync(Goodbye, time, cancel);
        }
        catch (TimeoutException)
        {
        }

        await DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _stop = true;
        await _ended.Task;
    }

    private void Run()
    {
        var self = GCHandle.Alloc(this);
        var outcome = new MqttOutcome(MqttFault.ConnectionLost, "closed here");
        try
        {
            outcome = Open(GCHandle.ToIntPtr(self)) ?? Loop();
        }
        finally
        {
            lock (_gate)
            {
                if (_client != 0) mosquitto_destroy(_client);
                _client = 0;
            }

            // After destroy no callback can come: now the handle they use may go.
            self.Free();
            _ended.SetResult();
            if (!_connected.TrySetResult(new(null, outcome))) listener.Closed(outcome);
        }
    }

    private unsafe MqttOutcome? Open(nint self)
    {
        var (server, options) = (target.Server, target.Options);
        var client = mosquitto_new(target.ClientId, 1, self);
        if (client == 0) return new(MqttFault.ProtocolError, "the client id was refused by the library");
        lock (_gate) _client = client;
        mosquitto_connect_v5_callback_set(client, &OnConnect);
        mosquitto_disconnect_v5_callback_set(client, &OnDisconnect);
        mosquitto_publish_v5_callback_set(client, &OnPublish);
        mosquitto_message_v5_callback_set(client, &OnMessage);
        mosquitto_log_callback_set(client, &OnLog);
        var error = mosquitto_threaded_set(client, 1);
        if (error == 0) error = mosquitto_int_option(client, Option.ProtocolVersion, options.Protocol == "5" ? 5 : 4);
        if (error == 0) error = mosquitto_int_option(client, Option.SendMaximum, options.Outbox.InFlight);
        if (error == 0) error = mosquitto_int_option(client, Option.TcpNodelay, 1);
        if (error == 0 && target.Secrets.Username is not null) error = mosquitto_username_pw_set(client, target.Secrets.Username, target.Secrets.Password);
        if (error == 0) error = SetWill(client);
        if (error == 0 && server.Tls) error = SetTls(client, options.Tls);
        if (error != 0) return Faults.OfError(error, 0, _complaint) with { Fault = MqttFault.Config };
        nint properties = 0;
        if (options.Protocol == "5") _ = mosquitto_property_add_int32(ref properties, Property.MaximumPacketSize, 2 * MqttReceived.MaxPayload);
        error = mosquitto_connect_bind_v5(client, server.Host, server.Port, (int)options.KeepAlive.TotalSeconds, 0, properties);
        mosquitto_property_free_all(ref properties);
        return error == 0 ? null : Faults.OfError(error, Marshal.GetLastPInvokeError(), _complaint);
    }

    private unsafe MqttOutcome Loop()
    {
        while (!_stop)
        {
            var error = mosquitto_loop(_client, LoopMs, 1);
            var errno = Marshal.GetLastPInvokeError();
            if (_connack is { Code: not 0 } refused) return Faults.OfConnack(refused.Code);
            if (_connack is { } accepted && !_connected.Task.IsCompleted)
            {
                // From here on the library's log says nothing that the codes do not, and formatting it costs every packet.
                mosquitto_log_callback_set(_client, null);
                if (!_connected.TrySetResult(new(this, new(MqttFault.Ok, ""), accepted.MaximumPacketSize, accepted.ReceiveMaximum)))
                    break;
            }

            Report();
            if (_disconnected is >= 0x80 and var reason) return Faults.OfReason(reason);
            if (_disconnected is 0) return new(MqttFault.Ok, "disconnected");
            if (error != 0 || _disconnected is not null) return Faults.OfError(error != 0 ? error : _disconnected!.Value, errno, _complaint);
        }

        return new(MqttFault.ConnectionLost, "closed here");
    }

    private void Report()
    {
        foreach (var (mid, reason) in _published)
        {
            bool acknowledged;
            long token;
            lock (_gate) acknowledged = _tokens.Remove(mid, out token);
            if (acknowledged) listener.Acknowledged(token, reason);
            else listener.Written();
        }

        _published.Clear();
        foreach (var message in _received) listener.Received(message);
        _received.Clear();
    }

    private unsafe int SetWill(nint client)
    {
        var will = target.Will;
        var properties = target.Options.Protocol == "5" ? Properties(null, 0, will.UserProperties) : 0;
        int error;
        fixed (byte* topic = will.Topic.Utf8, payload = will.Payload)
            error = mosquitto_will_set_v5(client, topic, will.Payload.Length, payload, will.Topic.Qos, (byte)(will.Topic.Retain ? 1 : 0), properties);
        if (error != 0) mosquitto_property_free_all(ref properties);
        return error;
    }

    private static int SetTls(nint client, MqttTlsOptions tls)
    {
        var error = tls.Ca is null ? mosquitto_int_option(client, Option.TlsUseOsCerts, 1) : 0;
        if (error == 0 && (tls.Ca ?? tls.Cert) is not null) error = mosquitto_tls_set(client, tls.Ca, null, tls.Cert, tls.Key, 0);
        if (error == 0) error = mosquitto_tls_opts_set(client, tls.Verify ? 1 : 0, null, null);
        return error == 0 && !tls.Verify ? mosquitto_tls_insecure_set(client, 1) : error;
    }

    private unsafe nint Properties(string? contentType, uint expiry, IReadOnlyList<KeyValuePair<string, string>>? user, byte[]? correlation = null)
    {
        nint list = 0;
        if (target.Options.Protocol != "5") return list;
        if (contentType is not null) _ = mosquitto_property_add_string(ref list, Property.ContentType, contentType);
        if (expiry > 0) _ = mosquitto_property_add_int32(ref list, Property.MessageExpiryInterval, expiry);
        fixed (byte* data = correlation)
            if (data != null) _ = mosquitto_property_add_binary(ref list, Property.CorrelationData, data, (ushort)correlation!.Length);
        if (user is null) return list;
        foreach (var (name, value) in user) _ = mosquitto_property_add_string_pair(ref list, Property.UserProperty, name, value);
        return list;
    }

    private static MosquittoConnection Of(nint obj) => (MosquittoConnection)GCHandle.FromIntPtr(obj).Target!;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnConnect(nint client, nint obj, int code, int flags, nint properties)
    {
        // Absent properties leave these at 0, which the specification forbids as a value.
        _ = mosquitto_property_read_int32(properties, Property.MaximumPacketSize, out var packet, 0);
        _ = mosquitto_property_read_int16(properties, Property.ReceiveMaximum, out var receive, 0);
        Of(obj)._connack = (code, packet is 0 or > int.MaxValue ? int.MaxValue : (int)packet, receive == 0 ? ushort.MaxValue : receive);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnDisconnect(nint client, nint obj, int reason, nint properties) => Of(obj)._disconnected = reason;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnPublish(nint client, nint obj, int mid, int reason, nint properties) => Of(obj)._published.Add((mid, reason));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnMessage(nint client, nint obj, Message* message, nint properties)
    {
        if (message->Length > MqttReceived.MaxPayload || Marshal.PtrToStringUTF8((nint)message->Topic) is not { } topic) return;
        _ = mosquitto_property_read_string(properties, Property.ResponseTopic, out var response, 0);
        _ = mosquitto_property_read_binary(properties, Property.CorrelationData, out var data, out var length, 0);
        var correlation = data == 0 ? null : new ReadOnlySpan<byte>((void*)data, length).ToArray();
        Of(obj)._received.Add(new(topic, new ReadOnlySpan<byte>(message->Payload, message->Length).ToArray(), message->Retain != 0, Marshal.PtrToStringUTF8(response), correlation));
        NativeMemory.Free((void*)response);
        NativeMemory.Free((void*)data);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnLog(nint client, nint obj, int level, byte* text)
    {
        if ((level & (LogWarning | LogError)) != 0) Of(obj)._complaint = Marshal.PtrToStringUTF8((nint)text);
    }
}
