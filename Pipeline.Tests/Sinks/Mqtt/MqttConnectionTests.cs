using System.Net;
using System.Net.Sockets;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Getting in, not getting in, and coming back.</summary>
public sealed class MqttConnectionTests
{
    private const string Secret = "s3cr3t-pa55";
    private const string Final = "dvis/v1/gate-3/camera/front/tracks/final";
    private static readonly TimeProvider Time = TimeProvider.System;

    [Theory, InlineData("5"), InlineData("3.1.1")]
    public async Task ConnectAsync_GoodPassword_Connects(string protocol)
    {
        await using var broker = await MosquittoBroker.StartAsync(login: ("dvis", Secret));
        await using var rig = new MqttRig(broker.Url, o =>
            (o.Protocol, o.Username, o.Password) = (EnumName.Parse<MqttProtocol>(protocol), "dvis", Secret));
        await rig.StartAsync();
        await rig.Sink.FlushAsync(default);
        Assert.DoesNotContain(rig.Log.Entries, e => e.Text.Contains(Secret, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("5", "not_authorized")] // mosquitto 2.0 answers 0x87 to a wrong password
    [InlineData("3.1.1", "not_authorized")]
    public async Task ConnectAsync_BadPassword_IsNotConnectedAndLoggedOnce(string protocol, string reason)
    {
        await using var broker = await MosquittoBroker.StartAsync(login: ("dvis", "other"));
        await using var rig = new MqttRig(broker.Url, o =>
            (o.Protocol, o.Username, o.Password) = (EnumName.Parse<MqttProtocol>(protocol), "dvis", Secret));
        await rig.Sink.StartAsync(default);
        await rig.RefusedAsync(reason);
        Assert.False(rig.Connected);
        Assert.Single(rig.Log.Entries, e => e.Level == LogLevel.Warning);
        Assert.DoesNotContain(rig.Log.Entries, e => e.Text.Contains(Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task ConnectAsync_PasswordFileChanges_IsReadAgain()
    {
        await using var broker = await MosquittoBroker.StartAsync(login: ("dvis", Secret));
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder.Path("user"), "dvis\n");
        await File.WriteAllTextAsync(folder.Path("password"), "old\n");
        await using var rig = new MqttRig(broker.Url, o =>
            (o.UsernameFile, o.PasswordFile) = (folder.Path("user"), folder.Path("password")));
        await rig.Sink.StartAsync(default);
        await rig.RefusedAsync("not_authorized");
        await File.WriteAllTextAsync(folder.Path("password"), Secret + "\n");
        await Eventually.TrueAsync(() => rig.Connected);
    }

    [Fact]
    public async Task ConnectAsync_MissingPasswordFile_NamesIt()
    {
        await using var rig =
            new MqttRig("mqtt://127.0.0.1:1", o => (o.Username, o.PasswordFile) = ("u", "/nowhere/password"));
        await rig.Sink.StartAsync(default);
        await rig.RefusedAsync("config");
        Assert.Contains("/nowhere/password", Assert.Single(rig.Log.Entries).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ConnectAsync_NobodyListens_IsRefused()
    {
        await using var rig = new MqttRig($"mqtt://127.0.0.1:{FreePorts.Next()}");
        await rig.Sink.StartAsync(default);
        await rig.RefusedAsync("refused");
        await rig.Sink.PublishAsync(SomeResult.Provisional(Time), default);
        Assert.Equal(1, rig.Metrics.Sum("dvis.mqtt.messages", "kind=tracks", "outcome=dropped"));
    }

    [Fact]
    public async Task ConnectAsync_ServerThatNeverAnswers_TimesOut()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var rig = new MqttRig($"mqtt://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", o =>
            o.ConnectTimeout = TimeSpan.FromMilliseconds(100));
        await rig.Sink.StartAsync(default);
        await rig.RefusedAsync("timeout");
    }

    [Fact]
    public async Task ConnectAsync_FirstServerDown_TakesTheSecond()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var rig =
            new MqttRig(broker.Url, o => o.Servers = [$"mqtt://127.0.0.1:{FreePorts.Next()}", broker.Url]);
        await rig.StartAsync();
    }

    [Fact]
    public async Task ConnectAsync_Tls_ConnectsWithClientCertificate()
    {
        await using var broker = await TlsBrokerAsync("localhost", "require_certificate true");
        await using var rig = new MqttRig($"mqtts://localhost:{broker.Broker.Port}", o =>
        {
            o.Tls.Ca = broker.File("ca.pem");
            (o.Tls.Cert, o.Tls.Key) = (broker.File("client.pem"), broker.File("client.key"));
        });
        await rig.StartAsync();
        await rig.Sink.FlushAsync(default);
    }

    [Theory]
    [InlineData("localhost", 2045, "another", "tls_unknown_ca",
        "is signed by CN=dvis test authority, which is not trusted")]
    [InlineData("localhost", 2045, "system", "tls_unknown_ca",
        "is signed by CN=dvis test authority, which is not trusted")]
    [InlineData("broker.example", 2045, "its own", "tls_wrong_host",
        "the certificate is for broker.example, not for localhost")]
    [InlineData("localhost", 2021, "its own", "tls_expired", "its own holds from 2020-01-01 to 2021-01-01")]
    public async Task ConnectAsync_TlsWithABadCertificate_IsRefusedByUsAndSaysWhy(string host, int expires,
        string trusted, string reason, string says)
    {
        await using var broker = await TlsBrokerAsync(host, expires);
        var url = $"mqtts://localhost:{broker.Broker.Port}";
        using var other = new TempFolder();
        TestCertificates.Write(other.Root, "localhost");
        await using (var rig = new MqttRig(url, o =>
            o.Tls.Ca =
                trusted switch { "its own" => broker.File("ca.pem"), "another" => other.Path("ca.pem"), _ => null }))
        {
            await rig.Sink.StartAsync(default);
            await rig.RefusedAsync(reason);
            Assert.Contains(says, Assert.Single(rig.Log.Entries).Text, StringComparison.Ordinal);
            Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.connects", "reason=ok"));
        }

        await using var careless = new MqttRig(url, o => (o.Tls.Ca, o.Tls.Verify) = (broker.File("ca.pem"), false));
        await careless.StartAsync();
    }

    [Fact]
    public async Task ConnectAsync_TlsToAPlainPort_IsTyped()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var rig = new MqttRig($"mqtts://localhost:{broker.Port}");
        await rig.Sink.StartAsync(default);
        await rig.RefusedAsync("tls");
    }

    [Fact]
    public async Task Reconnect_BrokerRestarts_AnnouncesAgainAndDeliversFinalsInOrder()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await rig.Sink.PublishAsync(SomeResult.Status(Time), default);
        await rig.Sink.FlushAsync(default);
        await broker.KillAsync();
        await Eventually.TrueAsync(() => !rig.Connected, "disconnected");
        for (var i = 0; i < 100; i++)
            await rig.Sink.PublishAsync(
                SomeResult.Final(Time, i * 3, i * 3 + 2, SomeResult.FinalTrack(42, i * 3, i * 3 + 2)), default);
        await rig.Sink.PublishAsync(SomeResult.Status(Time, CameraState.Degraded), default);

        await broker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await rig.Sink.FlushAsync(default);
        await subscriber.WaitTextAsync("gate-3/availability", "online");
        await subscriber.WaitAsync("/labels");
        await subscriber.WaitAsync("/count/person");
        Assert.Contains("\"state\":\"degraded\"", (await subscriber.WaitAsync("/state"))[^1].Text,
            StringComparison.Ordinal);
        // The subscriber gets messages in the order in which the broker took them:
        // when this one is here, so are all finals.
        await rig.Sink.PublishAsync(SomeResult.Event(Time), default);
        await subscriber.WaitAsync("/events");
        // Nobody was subscribed when the first came out: what is seen must be in order, without a gap, to the end.
        var seen = subscriber.On(Final).Select(m => WireSchemas.Valid("final", m.Payload)).ToList();
        Assert.All(seen, f => Assert.True(f.GetProperty("historical").GetBoolean()));
        var sequence = seen.Select(f => f.GetProperty("seq").GetInt64()).ToList();
        Assert.Equal(Enumerable.Range(0, sequence.Count).Select(i => 100L - sequence.Count + 1 + i), sequence);
        Assert.Equal(100, rig.Metrics.Sum("dvis.mqtt.messages", "kind=final", "outcome=acked"));
    }

    [Fact]
    public async Task Reconnect_CutWhileInFlight_EveryFinalArrivesAtLeastOnceInOrder()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        for (var i = 0; i < 300; i++)
        {
            await rig.Sink.PublishAsync(SomeResult.Final(Time, i, i, SomeResult.FinalTrack(1, i, i)), default);
            if (i % 60 == 30) await rig.Transport.CutAsync();
        }

        await rig.Sink.FlushAsync(default);
        await Eventually.TrueAsync(() => subscriber.On(Final).Select(m =>
            WireSchemas.Valid("final", m.Payload).GetProperty("seq").GetInt64()).Distinct().Count() == 300);
        // Repeats are allowed, going on after them must not skip anything.
        var highest = 0L;
        foreach (var message in subscriber.On(Final))
        {
            var seq = WireSchemas.Valid("final", message.Payload).GetProperty("seq").GetInt64();
            Assert.True(seq <= highest + 1, $"{seq} after {highest}");
            highest = Math.Max(highest, seq);
        }

        Assert.True(rig.Metrics.Sum("dvis.mqtt.connects", "reason=ok") > 1);
    }

    [Fact]
    public async Task Outbox_Full_DropsOldestAndCounts()
    {
        await using var rig = new MqttRig($"mqtt://127.0.0.1:{FreePorts.Next()}", o => o.Outbox.MemoryMessages = 10);
        await rig.Sink.StartAsync(default);
        for (var i = 0; i < 25; i++) await rig.Sink.PublishAsync(SomeResult.Event(Time, sequence: i + 1), default);
        Assert.Equal(15, rig.Metrics.Sum("dvis.mqtt.messages", "kind=event", "outcome=dropped"));
        using var limit = new CancellationTokenSource();
        await limit.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => rig.Sink.FlushAsync(limit.Token));
    }

    [Fact]
    public async Task SessionTakenOver_Disconnect_IsTypedAndLoggedOnce()
    {
        await using var broker = new ScriptedBroker([.. ScriptedBroker.Accepted, 0xE0, 0x01, 0x8E]);
        await using var rig = new MqttRig(broker.Url);
        await rig.Sink.StartAsync(default);
        await rig.RefusedAsync("session_taken_over");
        Assert.Single(rig.Log.Entries, e => e.Text.Contains("SessionTakenOver", StringComparison.Ordinal));
    }

    [Fact]
    public async Task SameClientId_TwoNodes_TheOneThatStaysRecovers()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var first = new MqttRig(broker.Url);
        await first.StartAsync();
        await using (var second = new MqttRig(broker.Url))
        {
            await second.StartAsync();
            await Eventually.TrueAsync(() => first.Metrics.Sum("dvis.mqtt.connects", "reason=ok") >= 3,
                "thrown out twice");
        }

        await Eventually.TrueAsync(() => first.Connected);
        await first.Sink.FlushAsync(default);
        await using var late = await MqttSubscriber.StartAsync(broker);
        await late.WaitTextAsync("gate-3/availability", "online");
    }

    [Theory]
    [InlineData("5", 0x84, "unsupported_protocol")]
    [InlineData("5", 0x85, "client_id_rejected")]
    [InlineData("5", 0x86, "bad_credentials")]
    [InlineData("5", 0x88, "server_unavailable")]
    [InlineData("5", 0x8A, "banned")]
    [InlineData("5", 0x9F, "rejected")]
    [InlineData("3.1.1", 1, "unsupported_protocol")]
    [InlineData("3.1.1", 2, "client_id_rejected")]
    [InlineData("3.1.1", 3, "server_unavailable")]
    [InlineData("3.1.1", 4, "bad_credentials")]
    public async Task ConnectAsync_ConnackRefuses_IsTypedAndNotConnected(string protocol, byte code, string reason)
    {
        await using var broker =
            new ScriptedBroker(protocol == "5" ? [0x20, 0x03, 0x00, code, 0x00] : [0x20, 0x02, 0x00, code]);
        await using var rig = new MqttRig(broker.Url, o => o.Protocol = EnumName.Parse<MqttProtocol>(protocol));
        await rig.Sink.StartAsync(default);
        await rig.RefusedAsync(reason);
        Assert.False(rig.Connected);
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.connects", "reason=ok"));
    }

    [Fact]
    public async Task Acknowledged_WithRefusal_CountsFailedAndGoesOn()
    {
        await using var broker = new ScriptedBroker(ScriptedBroker.Accepted, id => ScriptedBroker.Puback(id, 0x87));
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        await rig.Sink.PublishAsync(SomeResult.Event(Time), default);
        await rig.Sink.FlushAsync(default);
        Assert.Equal(1, rig.Metrics.Sum("dvis.mqtt.messages", "kind=event", "outcome=failed"));
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=acked"));
    }

    [Fact]
    public async Task InFlight_ReceiveMaximum_IsRespected()
    {
        var seen = 0;
        // CONNACK with Receive Maximum 3; nothing is ever acknowledged.
        await using var broker = new ScriptedBroker([0x20, 0x06, 0x00, 0x00, 0x03, 0x21, 0x00, 0x03], _ =>
        {
            Interlocked.Increment(ref seen);
            return [];
        });
        await using var rig = new MqttRig(broker.Url);
        await rig.StartAsync();
        for (var i = 0; i < 20; i++) await rig.Sink.PublishAsync(SomeResult.Event(Time, sequence: i + 1), default);
        await Eventually.TrueAsync(() => Volatile.Read(ref seen) == 3);
        Assert.Equal(3, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=sent"));
    }

    private static Task<TlsBroker> TlsBrokerAsync(string host, params string[] settings) =>
        TlsBrokerAsync(host, 2045, settings);

    private static async Task<TlsBroker> TlsBrokerAsync(string host, int expires, params string[] settings)
    {
        var folder = "";
        var broker = await MosquittoBroker.StartAsync(
            ["cafile {folder}/ca.pem", "certfile {folder}/server.pem", "keyfile {folder}/server.key", .. settings],
            prepare: f =>
            {
                folder = f;
                TestCertificates.Write(f, [("server", host, expires), ("client", host, expires)]);
            },
            announceReady: false);
        return new(broker, folder);
    }

    private sealed record TlsBroker(MosquittoBroker Broker, string Folder) : IAsyncDisposable
    {
        public string File(string name) => Path.Combine(Folder, name);

        public ValueTask DisposeAsync() => Broker.DisposeAsync();
    }
}
