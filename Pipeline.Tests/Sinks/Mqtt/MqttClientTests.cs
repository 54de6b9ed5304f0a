using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt;
using Dvis.Streaming.Sinks.Mqtt.Client;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Transport;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>What needs a clock or a broker that obeys.</summary>
public sealed class MqttClientTests : IAsyncDisposable
{
    private static readonly MqttTopic Tracks =
        new("tracks", "tracks", 0, ExpirySeconds: 2, ContentType: MqttTopic.Json);
    private static readonly MqttTopic Final =
        new("final", "final", 1, ExpirySeconds: 3600, ContentType: MqttTopic.Json);
    private static readonly MqttTopic State = new("state", "state", 1, Retain: true, ContentType: MqttTopic.Json);

    private readonly ManualTime _time = new();
    private readonly MetricProbe _metrics = new();
    private readonly ObedientTransport _broker;
    private readonly LogProbe<MqttSink> _log = new();
    private readonly MqttClient _client;

    public MqttClientTests()
    {
        _broker = new(_time);
        var metrics = new MqttMetrics(_metrics.Metrics.Meter, new());
        _client = new(new() { Outbox = { InFlight = 3 } }, _broker, new(State, [], []), metrics, _time, _log);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        _metrics.Dispose();
    }

    [Fact]
    public async Task Publish_MoreThanInFlight_WaitsForAcknowledgements()
    {
        await ConnectAsync();
        for (var i = 0; i < 5; i++) _client.Delivery.Publish(Final, Json($"{i}"));
        Assert.Equal(3, _broker.Published.Count);
        _broker.Acknowledge(0);
        _broker.Acknowledge(1);
        Assert.Equal(5, _broker.Published.Count);
    }

    [Fact]
    public async Task Publish_Qos0BeforeAcknowledged_IsProvedAndLaterIsNot()
    {
        await ConnectAsync();
        _client.Delivery.Publish(Tracks, Json("1"));
        _client.Delivery.Publish(Tracks, Json("2"));
        _client.Delivery.Publish(Final, Json("3"));
        _client.Delivery.Publish(Tracks, Json("4"));
        Assert.Equal(0, _metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=acked"));
        _broker.Acknowledge(2);
        Assert.Equal(2, _metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=acked"));
        Assert.Equal(3, _metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=sent"));
    }

    [Fact]
    public async Task Acknowledged_AnswersAndMessagesOfTheNodeBetweenTracks_NoKindIsAcknowledgedMoreOftenThanSent()
    {
        // Once answers to commands counted as tracks: "acknowledged 77 of 73".
        MqttTopic[] topics =
        [
            Tracks, new("masks", Kinds.Masks, 0), new("answer", Kinds.Command, 0), Final,
            new NodeTopics("root", "node").Status, MqttTopic.OfState("root/node/camera/a/state"),
        ];
        await ConnectAsync();
        for (var i = 0; i < 40; i++)
        {
            for (var k = 0; k <= i % topics.Length; k++) _client.Delivery.Publish(topics[k], Json($"{i}"));
            foreach (var at in _broker.Durable.ToList()) _broker.Acknowledge(at);
        }

        _client.Delivery.Publish(Final, Json("last"));
        _broker.Acknowledge(_broker.Durable.Last());
        foreach (var (kind, sent) in ((string, int)[])[("tracks", 40), ("masks", 33), ("command", 26), ("final", 20),
            ("node", 12), ("state", 6)])
        {
            Assert.Equal((kind, sent, sent), (kind, Count("sent"), Count("acked")));

            int Count(string outcome) =>
                (int)_metrics.Sum("dvis.mqtt.messages", $"kind={kind}", $"outcome={outcome}");
        }
    }

    [Theory, InlineData(0x9A), InlineData(0x9B)]
    public async Task ConnectAsync_WillRefusedHoweverItIs_IsTriedOnceMoreAndThenAfterPauses(int reason)
    {
        _broker.Refusal = MqttOutcome.OfConnack(reason);
        _client.Start();
        await _client.Tried;
        Assert.Equal(2, _broker.Connections); // the clock stands still
        Assert.Single(_log.Entries, e => e.Text.Contains("Not connected", StringComparison.Ordinal));
    }

    [Fact]
    public void OfDisconnect_AnyReason_IsAFault()
    {
        for (var reason = 0; reason < 256; reason++)
            Assert.NotEqual(MqttFault.Ok, MqttOutcome.OfDisconnect(reason).Fault);
    }

    [Fact]
    public async Task Publish_BrokerReadsNothing_Qos0IsShedNotPiledUp()
    {
        await ConnectAsync();
        for (var i = 0; i < 1000; i++) _client.Delivery.Publish(Tracks, Json("x"));
        Assert.Equal(512, _broker.Published.Count);
        Assert.Equal(488, _metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=dropped"));
        _broker.Written();
        _client.Delivery.Publish(Tracks, Json("x"));
        Assert.Equal(513, _broker.Published.Count);
    }

    [Fact]
    public async Task MaxAge_WaitedLonger_IsDroppedAndCountedTheRestHasItsFullLifeAtTheBroker()
    {
        _client.Delivery.Publish(Final, Json("old"));
        _time.Advance(TimeSpan.FromHours(20));
        _client.Delivery.Publish(Final, Json("young"));
        _time.Advance(TimeSpan.FromHours(5));
        await ConnectAsync();
        var young = Assert.Single(_broker.Published);
        Assert.Equal(1, _metrics.Sum("dvis.outbox.dropped", "reason=max_age"));
        Assert.Equal(("{\"historical\":true,\"v\":\"young\"}", 3600u),
            (Encoding.UTF8.GetString(young.Payload.Span), young.Topic.ExpirySeconds));
        Assert.Equal(1, _metrics.Sum("dvis.mqtt.messages", "kind=final", "outcome=expired"));
    }

    [Fact]
    public async Task Publish_Connected_IsNotHistorical()
    {
        await ConnectAsync();
        _client.Delivery.Publish(Final, Json("now"));
        Assert.Equal("{\"v\":\"now\"}", Encoding.UTF8.GetString(Assert.Single(_broker.Published).Payload.Span));
    }

    [Fact]
    public async Task Serve_NoAcknowledgement_ConnectsAgain()
    {
        await ConnectAsync();
        _client.Delivery.Publish(Final, Json("1"));
        await Eventually.TrueAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(8));
            return _broker.Connections >= 2;
        });
        Assert.Contains(_log.Entries, e => e.Text.Contains("AckTimeout", StringComparison.Ordinal));
        Assert.Equal(2, _broker.Published.Count(m => m.Topic == Final));
    }

    [Fact]
    public async Task SessionTakenOver_AgainAndAgain_BacksOffAndIsLoggedOnce()
    {
        // Last will flapping: two with one client id throw each other out; each stays for as long as the other pauses.
        await ConnectAsync();
        for (var pause = 1; pause <= 16; pause *= 2)
        {
            var connections = _broker.Connections;
            _time.Advance(TimeSpan.FromSeconds(40));
            var closed = _time.GetUtcNow();
            _broker.Connection!.End(new(MqttFault.SessionTakenOver, "reason 0x8E"));
            await Eventually.TrueAsync(() =>
            {
                _time.Advance(TimeSpan.FromSeconds(0.25));
                return _broker.Connections > connections;
            });
            // Chance takes at most a fifth off.
            Assert.True(_broker.Connected - closed >= TimeSpan.FromSeconds(0.8 * pause),
                $"{_broker.Connected - closed} instead of {pause} s");
        }

        Assert.Single(_log.Entries, e => e.Text.Contains("SessionTakenOver", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Acknowledge_FromAFormerConnection_IsIgnored()
    {
        await ConnectAsync();
        var old = _broker.Connection!;
        _client.Delivery.Publish(Final, Json("1"));
        old.End(new(MqttFault.ConnectionLost, "cut"));
        await Eventually.TrueAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return _broker.Connections == 2 && _broker.Published.Count == 2;
        });
        _broker.Acknowledge(old, token: 1);
        Assert.Equal(1, _client.Delivery.Outstanding);
        _broker.Acknowledge(1);
        Assert.Equal(0, _client.Delivery.Outstanding);
    }

    [Fact]
    public async Task FlushAsync_Acknowledged_EndsAndNotBefore()
    {
        await ConnectAsync();
        _client.Delivery.Publish(Final, Json("1"));
        var flush = _client.Delivery.FlushAsync(default);
        Assert.False(flush.IsCompleted);
        _broker.Acknowledge(0);
        await flush;
    }

    private async Task ConnectAsync()
    {
        _client.Start();
        await Eventually.TrueAsync(() => _metrics.Sum("dvis.mqtt.connected") == 1);
    }

    private static byte[] Json(string value) => Encoding.UTF8.GetBytes($"{{\"v\":\"{value}\"}}");

    /// <summary>Accepts everything and answers when told.</summary>
    private sealed class ObedientTransport(TimeProvider time) : IMqttTransport
    {
        /// <summary>What every attempt comes to; null: a connection.</summary>
        public MqttOutcome? Refusal { get; set; }

        private readonly List<(MqttMessage Message, long Token)> _published = [];
        private IMqttListener? _listener;

        public ObedientConnection? Connection { get; private set; }

        public int Connections { get; private set; }

        /// <summary>When the last connection was made.</summary>
        public DateTimeOffset Connected { get; private set; }

        /// <summary>Indices of the messages that are acknowledged.</summary>
        public IEnumerable<int> Durable => Enumerable.Range(0, _published.Count).Where(i => _published[i].Token != 0);

        public IReadOnlyList<MqttMessage> Published => [.. _published.Select(p => p.Message)];

        public Task<MqttConnectResult> ConnectAsync(MqttServer server, BrokerLimits known, MqttWill will,
            IMqttListener listener, CancellationToken cancel)
        {
            (_listener, Connection) = (listener, new(_published));
            (Connected, Connections) = (time.GetUtcNow(), Connections + 1);
            return Task.FromResult(Refusal is { } refusal
                ? new MqttConnectResult(null, refusal)
                : new MqttConnectResult(Connection, new(MqttFault.Ok, "")));
        }

        public void Acknowledge(int index) => Acknowledge(Connection!, _published[index].Token);

        public void Acknowledge(IMqttConnection connection, long token) =>
            _listener!.Acknowledged(connection, token, 0);

        public void Written() => _listener!.Written(Connection!, 0);
    }

    private sealed class ObedientConnection(List<(MqttMessage Message, long Token)> published) : IMqttConnection
    {
        private readonly TaskCompletionSource<MqttOutcome> _ended =
            new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<MqttOutcome> Ended => _ended.Task;

        public void End(MqttOutcome outcome) => _ended.SetResult(outcome);

        public MqttHandOver Publish(in MqttMessage message, long token)
        {
            published.Add((message with { Payload = message.Payload.ToArray() }, token));
            return MqttHandOver.Accepted;
        }

        public void Subscribe(IReadOnlyList<string> filters)
        {
        }

        public Task DisconnectAsync() => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
