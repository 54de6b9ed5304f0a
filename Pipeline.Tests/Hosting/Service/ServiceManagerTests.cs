using System.Globalization;
using Dvis.Streaming.Hosting.Service;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Service;

/// <summary>What systemd hears, and above all what it does not hear:
/// no sign of life from a service that only looks alive.</summary>
public sealed class ServiceManagerTests
{
    [Theory]
    [InlineData("@dvis-test-{0}")]
    [InlineData("/tmp/dvis-test-{0}.sock")]
    public async Task Messages_ArriveAtPathsAndAbstractNames(string name)
    {
        using var socket =
            new NotifySocket(string.Format(CultureInfo.InvariantCulture, name, Ulid.New(TimeProvider.System)));
        var time = new ManualTime();
        time.Advance(TimeSpan.FromSeconds(12.5));
        using var manager = new ServiceManager(socket.Name, TimeSpan.FromSeconds(30), time);
        manager.Reloading();
        manager.Ready();
        manager.Status("two\nlines");
        manager.Alive();
        manager.Stopping();
        await Eventually.TrueAsync(() => socket.Messages.Count == 5);
        Assert.Equal(["RELOADING=1\nMONOTONIC_USEC=12500000", "READY=1", "STATUS=two lines", "WATCHDOG=1",
            "STOPPING=1"], socket.Messages);
        if (!name.StartsWith('@')) File.Delete(socket.Name);
    }

    [Fact]
    public void NoSocket_OrOneThatIsGone_TellsNothingAndDoesNotFail()
    {
        foreach (var socket in (string?[])[null, "/nowhere/notify", "@dvis-nobody"])
        {
            using var manager = new ServiceManager(socket, TimeSpan.FromSeconds(1), new ManualTime());
            Assert.False(manager.Listens);
            Assert.Null(manager.Watchdog);
            manager.Ready();
            manager.Alive();
        }
    }

    [Fact]
    public async Task Run_UnderSystemd_SaysReadyOnceItIs_ReloadingAroundAReload_AndStopping()
    {
        using var socket = new NotifySocket($"@dvis-test-{Ulid.New(TimeProvider.System)}");
        await using var rig = new ReloadRig();
        var loaded = new TaskCompletionSource();
        const string Yaml = ConfigFolder.Cameras + "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0' }\n";
        var starting = rig.StartAsync(Yaml, services =>
        {
            // slower than datagrams are read, or some would be lost
            services.AddSingleton(new ServiceManager(socket.Name, TimeSpan.FromMilliseconds(400), TimeProvider.System));
            // The model is loaded after it.
            services.Insert(0, ServiceDescriptor.Singleton<IHostedService>(new Gate(loaded.Task)));
            ScriptedCamera.Use(services, ScriptedCamera.UntilStoppedAsync);
        });
        await socket.WaitAsync("STATUS=loading the model");
        await socket.WaitAsync("WATCHDOG=1");
        Assert.Equal(0, socket.Count("READY=1"));
        loaded.SetResult();
        await starting;
        await socket.WaitAsync("READY=1");
        await socket.WaitAsync("STATUS=1 of 1 cameras online");

        await rig.ReloadAsync(Yaml.Replace("a.mp4", "a.mp4, loop: true", StringComparison.Ordinal), "applied");
        await Eventually.TrueAsync(() => socket.Count("READY=1") == 2);
        var messages = socket.Messages.Where(m => m.StartsWith("RE", StringComparison.Ordinal))
            .Select(m => m.Split('\n')[0]);
        Assert.Equal(["READY=1", "RELOADING=1", "READY=1"], messages);
        await rig.StopAsync();
        await socket.WaitAsync("STOPPING=1");
    }

    /// <summary>The real program, with a credential as <c>LoadCredential=</c> provides it, and a decoder,
    /// which must not inherit the socket.</summary>
    [Fact]
    public async Task Dvis_StartedAsByTheUnit_IsReady_Alive_AndStops()
    {
        Assert.SkipUnless(MosquittoBroker.Executable("ffmpeg") is not null, "ffmpeg is not installed.");
        using var socket = new NotifySocket($"@dvis-test-{Ulid.New(TimeProvider.System)}");
        using var folder = new ConfigFolder();
        var credentials =
            Path.GetDirectoryName(folder.Write("credentials/http_token", "a-credential-of-enough-length\n"))!;
        var file = folder.Write("c.yaml",
            $"cameras: {{ a: {{ file: '{Repo.Path("samples/everyday.mp4")}', realtime: true, loop: true }} }}\nmqtt: "
            + $"{{ servers: [] }}\nhttp: {{ bind: '0.0.0.0:0', token_file: http_token }}\n");
        var start = new System.Diagnostics.ProcessStartInfo("dotnet",
            [Path.Combine(AppContext.BaseDirectory, "dvis.dll"), "run", "-c", file, "--quiet"]);
        foreach (var (name, value) in ((string, string)[])[("NOTIFY_SOCKET", socket.Name), ("WATCHDOG_USEC", "2000000"),
            ("CREDENTIALS_DIRECTORY", credentials)]) start.Environment[name] = value;
        using var process = System.Diagnostics.Process.Start(start)!;
        try
        {
            await socket.WaitAsync("READY=1");
            await socket.WaitAsync("WATCHDOG=1");
            string? decoder = null;
            await Eventually.TrueAsync(() =>
                (decoder = Directory.GetDirectories($"/proc/{process.Id}/task").SelectMany(Children).FirstOrDefault(c =>
                    Text($"/proc/{c}/comm") == "ffmpeg\n")) is not null, "a decoder");
            Assert.DoesNotContain("NOTIFY_SOCKET", Text($"/proc/{decoder}/environ"), StringComparison.Ordinal);
        }
        finally
        {
            await MosquittoBroker.RunAsync("sh", "-c", $"kill -TERM {process.Id}");
            await process.WaitForExitAsync();
        }

        await socket.WaitAsync("STOPPING=1");

        static string[] Children(string task) =>
            Text(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries);

        static string Text(string path)
        {
            try
            {
                return File.ReadAllText(path);
            }
            catch (IOException)
            {
                return ""; // it has just ended
            }
        }
    }

    /// <summary>A pipeline that hangs while all else runs: the watchdog hears nothing any more,
    /// health says which stage, and all recovers when it goes on.</summary>
    [Theory]
    [InlineData("segment")]
    [InlineData("track")]
    [InlineData("refine")]
    [InlineData("publish")]
    public async Task Watchdog_AStageHangs_IsNoLongerFed(string stage)
    {
        using var socket = new NotifySocket($"@dvis-test-{Ulid.New(TimeProvider.System)}");
        using var folder = new ConfigFolder();
        var (time, wedge, wedged) = (new ManualTime(), new ManualResetEventSlim(true), new TaskCompletionSource());
        var (beats, state) = (new Heartbeats(time), new RunState(new(), time) { Ready = true });
        using var health = new Health(new(folder.Load(ConfigFolder.Cameras)), state, beats, time);
        using var manager = new ServiceManager(socket.Name, TimeSpan.FromSeconds(30), time);
        using var loop = new ServiceManagerLoop(manager, health, state, time);
        await health.StartAsync(default);
        await loop.StartAsync(default);

        var fake = new FakeDvis();
        FakeModel Wedging(FakeModel model, string name) => new(model.Name, (inputs, outputs) =>
        {
            if (stage == name) Wait();
            model.Run(inputs, outputs);
        });
        void Wait()
        {
            if (!wedge.IsSet) wedged.TrySetResult();
            wedge.Wait();
        }

        await using var rig = new PipelineRig(FakeDvis.Graphs(FakeDvis.Manifest, Wedging(fake.Segmenter, "segment"),
            Wedging(fake.Tracker, "track"), fake.FrameForward, Wedging(fake.Refiner, "refine")));
        rig.Camera.Beats = beats;
        using var stop = new CancellationTokenSource();
        // A file's source waits for the pipeline: no frame comes in that could show that none goes out.
        var source = new PaintedSource(rig.Frames, TimeProvider.System, null, (_, _) => true);
        var run = rig.RunAsync(source, new Publisher(rig.Published, () =>
        {
            if (stage == "publish") Wait();
        }), stop.Token);
        await Eventually.TrueAsync(() => rig.Published.Finals.Length > 1);
        await AliveAsync();

        wedge.Reset();
        await wedged.Task;
        await Eventually.TrueAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            // Two loops publish: the refiner may hang first, and the tracker hangs at its next frame.
            return !health.Live().Healthy
                && health.Live().Detail!.Contains($"cam/{(stage == "publish" ? "track" : stage)}",
                    StringComparison.Ordinal);
        }, "health names the stage that hangs");
        await Eventually.TrueAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return socket.Messages.Any(m =>
                m.StartsWith("STATUS=at one frame for more than 60 s", StringComparison.Ordinal));
        });
        var before = socket.Count("WATCHDOG=1");
        for (var i = 0; i < 20; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }

        Assert.Equal(before, socket.Count("WATCHDOG=1"));

        wedge.Set();
        await AliveAsync();
        await stop.CancelAsync();
        await run;
        await loop.StopAsync(default);
        await health.StopAsync(default);

        async Task AliveAsync()
        {
            var count = socket.Count("WATCHDOG=1");
            await Eventually.TrueAsync(() =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return socket.Count("WATCHDOG=1") > count;
            });
        }
    }

    /// <summary>A camera that is away, or a stage without work, is no reason to restart anything.</summary>
    [Fact]
    public async Task Heartbeats_NothingToDo_IsNotStuck_AndAnEndedLoopNeitherIs()
    {
        var time = new ManualTime();
        var beats = new Heartbeats(time);
        var link = new Link<CountedItem>(1, System.Threading.Channels.BoundedChannelFullMode.Wait);
        var (working, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var run = StageLoop.RunAsync(link, async items =>
        {
            await foreach (var item in items)
            {
                working.SetResult();
                await goOn.Task;
                item.Dispose();
            }
        }, beats.Open("a", "x"));
        time.Advance(TimeSpan.FromHours(9));
        Assert.Empty(beats.Stuck(Health.StuckLimit));

        await link.WriteAsync(new CountedItem.Ledger().New(1));
        await working.Task;
        time.Advance(Health.StuckLimit);
        Assert.Empty(beats.Stuck(Health.StuckLimit));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(["a/x"], beats.Stuck(Health.StuckLimit));
        goOn.SetResult();
        link.Complete();
        await run;
        time.Advance(TimeSpan.FromHours(9));
        Assert.Empty(beats.Stuck(Health.StuckLimit));
    }

    /// <summary>Holds up the services after it.</summary>
    private sealed class Gate(Task open) : IHostedLifecycleService
    {
        public Task StartedAsync(CancellationToken cancellationToken) => open;

        public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class Publisher(IPublisher next, Action before) : IPublisher
    {
        public ValueTask PublishAsync(PipelineMessage message)
        {
            before();
            return next.PublishAsync(message);
        }
    }
}
