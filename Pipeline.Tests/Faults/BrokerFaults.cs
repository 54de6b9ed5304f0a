using System.Globalization;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>
/// The broker, and the network before it; the independent client has a way of its own. Complaints answered: events lost
/// while the broker is away, a client that believes it is connected and never sends again.
/// </summary>
internal static class BrokerFaults
{
    private const int Stride = 4; // frames that one final covers
    private const string Camera = "a: { synthetic: { width: 64, height: 48, fps: 25, strip: false } }";

    public static IReadOnlyList<FaultRow> Rows { get; } =
    [
        new("broker-away-at-start", "the broker refuses connections from the start, for some fifty windows",
            "the service works; finals and events of that time come when it is there", AwayAtStartAsync),
        new("broker-cut", "the connection to the broker ends", "connected again; no final, no event is missing", run =>
            BreakAsync(run, proxy => proxy.Cut())),
        new("broker-reset", "the connection to the broker is reset", "connected again; no final, no event is missing",
            run => BreakAsync(run, proxy => proxy.Reset())) { Short = true },
        new("broker-refuses-for-a-while", "cut, and refused for three seconds",
            "what waits is sent in order, marked historical; nothing is missing", RefuseAsync),
        new("broker-cut-mid-packet", "three connections end in the middle of what was being sent", "nothing is missing",
            MidPacketAsync),
        new("broker-half-open", "nothing passes any more, no connection ends",
            "noticed by the keep-alive, connected again; nothing is missing", HalfOpenAsync),
        new("broker-frozen", "the broker stops (SIGSTOP) for five seconds", "nothing is missing", FrozenAsync),
        new("broker-latency", "every packet takes 200 ms longer", "the connection is kept; nothing is missing",
            LatencyAsync),
        new("broker-slow", "4 kB/s for some five seconds", "what does not get through waits; nothing is missing",
            SlowAsync),
        new("broker-killed", "kill -9, and started again, three times",
            "connected and announced again; nothing is missing", KilledAsync),
        new("broker-away-daemon-killed",
            "the broker is away; kill -9 of the service after fifty windows; both come back",
            "what had been said is on the disk: the next run sends it, marked historical",
            AwayAndKilledAsync) { Short = true },
        new("outbox-disk-full", "the outbox's disk is full while the broker is away",
            "messages wait in memory; nothing is missing", FullDiskAsync),
        new("broker-login-refused", "a wrong password in the file; then the file is put right",
            "not connected, and connected without a restart; nothing is missing", LoginAsync),
        new("broker-certificate-not-trusted", "the broker's certificate has expired; then it has a good one",
            "not connected, and connected without a restart; nothing is missing", CertificateAsync),
        new("broker-refuses-topics", "the broker's access list forbids a camera's finals and events; then it is mended",
            "they are held, the rest goes on; then sent in order; nothing is missing", AccessListAsync),
        new("broker-session-taken-over", "another client comes with our client id",
            "connected again after a pause; nothing is missing", TakenOverAsync),
        new("broker-small-packets", "the broker takes no packets above 2,000 bytes",
            "messages are split below that; nothing is missing", SmallPacketsAsync),
    ];

    private static async Task AwayAtStartAsync(FaultRun run)
    {
        await run.StartBrokerAsync();
        var proxy = run.Own(FaultProxy.Start(run.Broker.Port));
        await proxy.SetAsync(Fault.Refuse);
        run.Waits = false;
        await run.StartAsync(Camera, proxy.Mqtt);
        await FinalsAsync(run, 200);
        run.Now();
        await proxy.HealAsync();
        await run.RecoveredAsync();
        run.ExpectLate(200 / Stride);
    }

    private static async Task BreakAsync(FaultRun run, Action<FaultProxy> fault)
    {
        var proxy = await PlayAsync(run);
        var accepted = proxy.Accepted;
        fault(proxy);
        await Eventually.TrueAsync(() => proxy.Accepted > accepted, "another connection");
        await run.RecoveredAsync(frames: 30);
        run.Note("connected again");
    }

    private static async Task RefuseAsync(FaultRun run)
    {
        var proxy = await PlayAsync(run);
        await proxy.SetAsync(Fault.Refuse);
        proxy.Cut();
        await FinalsAsync(run, 75);
        run.Now();
        await proxy.HealAsync();
        await run.RecoveredAsync();
        run.ExpectLate(75 / Stride);
    }

    private static async Task MidPacketAsync(FaultRun run)
    {
        var proxy = await PlayAsync(run);
        proxy.TruncateFromClientAfter = 20_001;
        var accepted = proxy.Accepted;
        await Eventually.TrueAsync(() => proxy.Accepted >= accepted + 3, "three connections");
        await proxy.HealAsync();
        run.Now();
        await run.RecoveredAsync(frames: 30);
        run.Note(string.Create(CultureInfo.InvariantCulture, $"{proxy.Accepted - accepted} connections"));
    }

    private static async Task HalfOpenAsync(FaultRun run)
    {
        var proxy = await PlayAsync(run);
        await proxy.SetAsync(Fault.HalfOpen);
        var accepted = proxy.Accepted;
        await Eventually.TrueAsync(() => proxy.Accepted > accepted, "another attempt");
        run.Now();
        await proxy.HealAsync();
        await run.RecoveredAsync(frames: 30);
        run.Note("connected again");
    }

    private static async Task FrozenAsync(FaultRun run)
    {
        await PlayAsync(run);
        await run.Broker.SignalAsync("STOP");
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System);
        run.Now();
        await run.Broker.SignalAsync("CONT");
        await run.RecoveredAsync(frames: 30);
        run.Note("goes on");
    }

    private static async Task LatencyAsync(FaultRun run)
    {
        var proxy = await PlayAsync(run);
        proxy.Latency = TimeSpan.FromMilliseconds(200);
        await run.RecoveredAsync(frames: 50);
        Assert.Equal(1, proxy.Accepted);
        run.Note("one connection");
    }

    private static async Task SlowAsync(FaultRun run)
    {
        var proxy = await PlayAsync(run);
        proxy.BytesPerSecond = 4000;
        await FinalsAsync(run, 125);
        run.Now();
        await proxy.HealAsync();
        await run.RecoveredAsync(frames: 30);
        run.Note("all of it came");
    }

    private static async Task KilledAsync(FaultRun run)
    {
        var proxy = await PlayAsync(run);
        for (var i = 0; i < 3; i++)
        {
            await FinalsAsync(run, 25);
            // First the service is cut off, so that what the broker has taken is with the other client when it dies.
            await proxy.SetAsync(Fault.Refuse);
            proxy.Cut();
            await run.Heard.SettledAsync();
            await run.Broker.KillAsync();
            await FinalsAsync(run, 25);
            var subscribed = run.Heard.Subscribed;
            await run.Broker.StartAsync();
            await Eventually.TrueAsync(() => run.Heard.Subscribed > subscribed, "the other client is back");
            run.Now();
            await proxy.HealAsync();
            await run.RecoveredAsync();
        }

        run.ExpectLate(75 / Stride);
    }

    private static async Task AwayAndKilledAsync(FaultRun run)
    {
        await run.StartBrokerAsync();
        var proxy = run.Own(FaultProxy.Start(run.Broker.Port));
        var outbox = Path.Combine(run.Folder, "outbox");
        var process = await run.StartProcessAsync(Camera, proxy.Mqtt, $"mqtt.outbox.path={outbox}");
        await run.FramesAsync("a");
        await proxy.SetAsync(Fault.Refuse);
        proxy.Cut();
        run.Now();
        var before = Bytes(outbox);
        // of less than 2 kB each
        await Eventually.TrueAsync(() => Bytes(outbox) > before + 100_000, "messages on the disk");
        await process.SignalAsync("KILL");
        await process.ExitAsync();
        await proxy.HealAsync();
        await run.StartProcessAsync(Camera, proxy.Mqtt, $"mqtt.outbox.path={outbox}");
        await run.RecoveredAsync();
        run.ExpectLate(50);
    }

    private static async Task FullDiskAsync(FaultRun run)
    {
        var disk = run.OwnPart(SmallDisk.Mount(256 << 10));
        await run.StartBrokerAsync();
        var proxy = run.Own(FaultProxy.Start(run.Broker.Port));
        await run.StartAsync(Camera, proxy.Mqtt, null, $"mqtt.outbox.path={disk.Path("outbox")}");
        await run.FramesAsync("a");
        await proxy.SetAsync(Fault.Refuse);
        proxy.Cut();
        await FinalsAsync(run, 500);
        run.Now();
        await proxy.HealAsync();
        await run.RecoveredAsync();
        run.ExpectLate(500 / Stride);
    }

    private static long Bytes(string folder) => Directory.Exists(folder)
        ? new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length)
        : 0;

    private static async Task LoginAsync(FaultRun run)
    {
        await run.StartBrokerAsync(login: ("gate", "right"));
        var password = run.Write("password", "wrong");
        run.Waits = false;
        await run.StartAsync(Camera, null, null, "mqtt.username=gate", $"mqtt.password_file={password}");
        var state = run.App.Services.GetRequiredService<RunState>();
        await FinalsAsync(run, 50);
        Assert.False(state.Mqtt.Connected);
        run.Now();
        File.WriteAllText(password, "right\n");
        await run.RecoveredAsync();
        run.ExpectLate(50 / Stride);
    }

    private static async Task CertificateAsync(FaultRun run)
    {
        await run.StartBrokerAsync();
        TestCertificates.Write(run.Folder, [("old", "localhost", 2021), ("new", "localhost", 2045)]);
        var old = new TlsFront(run.Broker.Port, run.Folder, "old");
        run.Waits = false;
        await run.StartAsync(Camera, $"mqtts://localhost:{old.Port}", null, $"mqtt.tls.ca={run.Folder}/ca.pem");
        await FinalsAsync(run, 50);
        Assert.Equal(0, old.Secured);
        Assert.False(run.App.Services.GetRequiredService<RunState>().Mqtt.Connected);
        await old.DisposeAsync();
        run.Now();
        run.Own(new TlsFront(run.Broker.Port, run.Folder, "new", old.Port));
        await run.RecoveredAsync();
        run.ExpectLate(50 / Stride);
    }

    private static async Task AccessListAsync(FaultRun run)
    {
        const string all = "topic readwrite #\n";
        var list = run.Write("acl", all
            + "topic deny dvis/v1/t/camera/a/tracks/final\ntopic deny dvis/v1/t/camera/a/events\n");
        await run.StartBrokerAsync([$"acl_file {list}"]);
        await run.StartAsync(Camera);
        await FinalsAsync(run, 100);
        Assert.NotEmpty(run.Heard.On("ok/tracks/final"));
        Assert.Empty(run.Heard.On("a/tracks/final"));
        run.Write("acl", all);
        await run.Broker.SignalAsync("HUP");
        run.Now();
        await run.RecoveredAsync();
        await Eventually.TrueAsync(() => run.Heard.On("a/tracks/final").Count >= 100 / Stride, "the held finals");
        run.Note("held, then sent");
    }

    private static async Task TakenOverAsync(FaultRun run)
    {
        await run.StartAsync(Camera, null, null, "mqtt.client_id=gate-7");
        await run.FramesAsync("a");
        run.Now();
        await MosquittoBroker.RunAsync("mosquitto_pub",
            [.. run.Broker.ClientArguments(), "-V", "5", "-i", "gate-7", "-t", "else", "-m", "x"]);
        await Eventually.TrueAsync(() => run.Since("t/availability").Any(m => m.Text == "online"), "announced again");
        await run.RecoveredAsync(frames: 30);
        run.Note("announced again");
    }

    private static async Task SmallPacketsAsync(FaultRun run)
    {
        await run.StartBrokerAsync(["max_packet_size 2000"]);
        run.Now();
        await run.StartAsync(Camera);
        await run.RecoveredAsync(frames: 30);
        await Eventually.TrueAsync(() => run.Heard.On("a/tracks/final").Count >= 5, "finals");
        Assert.All(run.Heard.Received, m => Assert.InRange(m.Payload.Length, 0, 2000));
        run.Note(string.Create(CultureInfo.InvariantCulture,
            $"the largest payload has {run.Heard.Received.Max(m => m.Payload.Length)} bytes"));
    }

    private static async Task<FaultProxy> PlayAsync(FaultRun run)
    {
        await run.StartBrokerAsync();
        var proxy = run.Own(FaultProxy.Start(run.Broker.Port));
        await run.StartAsync(Camera, proxy.Mqtt);
        await run.FramesAsync("a");
        run.Now();
        return proxy;
    }

    /// <summary>Waits until so many more frames are final, whoever hears of it.</summary>
    private static Task FinalsAsync(FaultRun run, int frames)
    {
        var camera = run.App.Services.GetRequiredService<PipelineMetrics>().Camera("a").Tally;
        var before = camera.Final;
        return Eventually.TrueAsync(() => camera.Final >= before + frames, $"{frames} more frames final");
    }
}
