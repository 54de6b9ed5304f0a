using Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>The network between a real RTSP server and the service. Complaint answered:
/// after a stall the stream stays minutes behind.</summary>
internal static class NetworkFaults
{
    public static IReadOnlyList<FaultRow> Rows { get; } =
    [
        new("network-cut", "the connection to the camera ends (FIN)", "offline, then a new connection and a new epoch",
            run => BreakAsync(run, (proxy, _) => proxy.Cut())),
        new("network-reset", "the connection to the camera is reset (RST)",
            "offline, then a new connection and a new epoch", run =>
            BreakAsync(run, (proxy, _) => proxy.Reset())) { Short = true },
        new("network-refuses-for-a-while", "the connection ends and new ones are refused for two seconds",
            "offline (refused), then a new connection and a new epoch", RefuseAsync),
        new("network-half-open", "nothing passes any more, no connection ends",
            "offline (stalled); new connections time out until something passes again", HalfOpenAsync),
        new("network-server-frozen", "the server stops (SIGSTOP) for five seconds and goes on",
            "offline (stalled), then a new connection and a new epoch", FrozenAsync),
        new("network-backlog", "nothing passes for two seconds, then everything at once",
            "frames older than max_age are dropped as stale, what follows is fresh, the connection is kept",
            BacklogAsync),
        new("network-latency", "every packet takes 300 ms longer",
            "the connection is kept, no frame is lost, one epoch", LatencyAsync),
        new("network-slow", "2 kB/s for a stream of some 60 kB/s",
            "pictures stop: offline (stalled), and back when there is room", SlowAsync),
        new("network-truncates", "each connection ends after 20 kB",
            "offline and tried again for as long as it lasts, then online", TruncateAsync),
        new("network-flips-bits", "a bit is wrong every 500 bytes",
            "decode errors or new connections, never a crash; online when it is over", FlipAsync),
    ];

    private static async Task BreakAsync(FaultRun run, Action<FaultProxy, RtspServer> fault)
    {
        var (proxy, server) = await PlayAsync(run);
        run.Now();
        fault(proxy, server);
        await run.StateAsync("offline");
        await run.StateAsync("online");
        await run.RecoveredAsync();
        await run.EventAsync("tracker.reset", "source_restarted");
    }

    private static async Task RefuseAsync(FaultRun run)
    {
        var (proxy, _) = await PlayAsync(run);
        run.Now();
        await proxy.SetAsync(Fault.Refuse);
        proxy.Cut();
        await run.StateAsync("offline", "refused");
        await proxy.HealAsync();
        await run.RecoveredAsync();
        await run.EventAsync("tracker.reset", "source_restarted");
    }

    private static async Task HalfOpenAsync(FaultRun run)
    {
        var (proxy, _) = await PlayAsync(run);
        run.Now();
        await proxy.SetAsync(Fault.HalfOpen);
        await run.StateAsync("offline", "stalled");
        await run.StateAsync("offline", "timeout");
        await proxy.HealAsync();
        await run.RecoveredAsync();
        await run.EventAsync("tracker.reset", "source_restarted");
    }

    private static async Task FrozenAsync(FaultRun run)
    {
        var (_, server) = await PlayAsync(run);
        run.Now();
        await server.FreezeAsync();
        await run.StateAsync("offline", "stalled");
        await server.ThawAsync();
        await run.StateAsync("online");
        await run.RecoveredAsync();
        await run.EventAsync("tracker.reset", "source_restarted");
    }

    private static async Task BacklogAsync(FaultRun run)
    {
        var (proxy, _) = await PlayAsync(run, "rtsp: { stall_timeout: 20s }, queue: { max_age: 500ms }");
        run.Now();
        await proxy.SetAsync(Fault.HalfOpen);
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        await proxy.HealAsync();
        await run.DroppedAsync("stale");
        await run.RecoveredAsync(frames: 20);
        Assert.Equal((1, 1), (proxy.Accepted, run.Epochs("a")));
    }

    private static async Task LatencyAsync(FaultRun run)
    {
        var (proxy, _) = await PlayAsync(run);
        run.Now();
        proxy.Latency = TimeSpan.FromMilliseconds(300);
        await run.RecoveredAsync(frames: 50);
        Assert.Equal((1, 1), (proxy.Accepted, run.Epochs("a")));
        run.Note("one connection, one epoch");
    }

    private static async Task SlowAsync(FaultRun run)
    {
        var (proxy, _) = await PlayAsync(run);
        run.Now();
        proxy.BytesPerSecond = 2000;
        await run.StateAsync("offline");
        await proxy.HealAsync();
        proxy.Cut();
        await run.RecoveredAsync(frames: 20);
    }

    private static async Task TruncateAsync(FaultRun run)
    {
        var (proxy, _) = await PlayAsync(run);
        run.Now();
        proxy.TruncateAfter = 20_000;
        var accepted = proxy.Accepted;
        proxy.Cut();
        await Eventually.TrueAsync(() => proxy.Accepted > accepted + 3, "attempts");
        await proxy.HealAsync();
        await run.RecoveredAsync(frames: 20);
        await run.StateAsync("offline");
    }

    private static async Task FlipAsync(FaultRun run)
    {
        var (proxy, _) = await PlayAsync(run);
        run.Now();
        proxy.FlipEvery = 500;
        await Eventually.TrueAsync(() =>
            run.Since("a/state").Any(m => m.Text.Contains("\"state\":\"offline\"", StringComparison.Ordinal)
                || m.Text.Contains("\"state\":\"degraded\"", StringComparison.Ordinal)), "trouble");
        await proxy.HealAsync();
        proxy.Cut();
        await run.RecoveredAsync(frames: 20);
    }

    private static async Task<(FaultProxy Proxy, RtspServer Server)> PlayAsync(FaultRun run, string? options = null)
    {
        var server = run.Own(await RtspServer.StartAsync());
        var proxy = run.Own(FaultProxy.Start(server.Port));
        await run.StartAsync($"a: {{ url: '{proxy.Rtsp()}'{(options is null ? "" : ", " + options)} }}");
        await run.FramesAsync("a");
        return (proxy, server);
    }
}
