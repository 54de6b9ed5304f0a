using System.Net;
using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.Composition;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Composition;

public sealed class HostTests : IAsyncDisposable
{
    private const string NoMqtt = ConfigFolder.Cameras + "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0' }\n";

    private readonly ConfigFolder _folder = new();
    private readonly HttpClient _http = new();
    private WebApplication? _app;
    private FakeEngine? _engine;

    private RunState State => _app!.Services.GetRequiredService<RunState>();

    private MqttStatus Mqtt => _app!.Services.GetRequiredService<MqttStatus>();

    [Fact]
    public async Task Run_PortZero_ServesMetricsHealthAndIndex_AndStops()
    {
        await StartAsync(NoMqtt, FakeEngine.UntilStoppedAsync);
        var (code, metrics) = await GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.OK, code);
        Assert.Contains("dvis_source_frames_total{camera=\"a\"} 0\n", metrics, StringComparison.Ordinal);
        Assert.Contains("process_cpu_seconds_total{} ", metrics, StringComparison.Ordinal);
        Assert.Contains("dotnet_gc_collections_total{", metrics, StringComparison.Ordinal);
        Assert.Contains("dvis_build_info{", metrics, StringComparison.Ordinal);
        Assert.Contains("/health/ready", (await GetAsync("/")).Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync("/health/live")).Code);
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync("/nothing")).Code);

        await _app!.StopAsync();
        Assert.True(_engine!.Flushed);
        Assert.True(State.Over);
        Assert.Empty(State.Failures);
    }

    [Fact]
    public async Task Metrics_SwitchedOff_AreNotServed()
    {
        await StartAsync(NoMqtt + "telemetry: { prometheus: false }", FakeEngine.UntilStoppedAsync);
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync("/metrics")).Code);
    }

    [Fact]
    public async Task Ready_MqttConfigured_WaitsForTheConnection_AndACameraThatIsAwayOnlyDegrades()
    {
        await StartAsync(NoMqtt.Replace("[]", "['mqtt://127.0.0.1:1']", StringComparison.Ordinal), FakeEngine.UntilStoppedAsync);
        var (code, body) = await GetAsync("/health/ready");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (code, body.Contains("\"not_connected\"", StringComparison.Ordinal)));

        Mqtt.OutboxOnDisk = true;
        (code, body) = await GetAsync("/health/ready");
        Assert.Equal((HttpStatusCode.OK, true), (code, body.Contains("finals and events wait on disk", StringComparison.Ordinal)));
        Mqtt.OutboxOnDisk = false;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await GetAsync("/health/ready")).Code);

        Mqtt.Connected = true;
        Assert.Equal(HttpStatusCode.OK, (await GetAsync("/health/ready")).Code);

        _app!.Services.GetRequiredService<PipelineMetrics>().Camera("a").StateChanged("offline");
        (code, body) = await GetAsync("/health/ready");
        Assert.Equal(HttpStatusCode.OK, code);
        Assert.Equal("""{"healthy":true,"status":"degraded","detail":"not online: a","cameras":[{"name":"a","state":"offline"}]}""", body);
    }

    [Fact]
    public async Task Start_ModelCannotBeUsed_FailsWithItsSentence()
    {
        var e = await Assert.ThrowsAsync<ModelException>(() => StartAsync(NoMqtt, FakeEngine.UntilStoppedAsync, new ModelException("the model is broken")));
        Assert.Equal("the model is broken", e.Message);
    }

    [Fact]
    public async Task Run_AllStreamsOver_EndsByItself_WithoutFailure()
    {
        await StartAsync(NoMqtt, (_, _) => Task.FromResult(true));
        await _app!.WaitForShutdownAsync();
        Assert.Empty(State.Failures);
    }

    [Fact]
    public async Task Run_CameraFailsForGood_IsAFailureOfTheRun_ButOthersGoOn()
    {
        await StartAsync(
            "cameras: { a: { file: a.mp4 }, b: { file: a.mp4 } }\n" + NoMqtt[ConfigFolder.Cameras.Length..],
            (name, stop) => name == "a" ? Task.FromResult(false) : FakeEngine.UntilStoppedAsync(name, stop));
        await Eventually.TrueAsync(() => State.Failures.Count > 0);
        Assert.Equal(["camera a failed for good"], State.Failures);
        Assert.False(_app!.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested);
        await _app.StopAsync();
    }

    [Fact]
    public async Task CameraRunner_PipelineBreaks_BeginsAnewWithGrowingPauses_ThenGivesUp()
    {
        using var metrics = new TestMetrics();
        var engine = new FakeEngine(metrics.Metrics, (_, _) => Task.FromException<bool>(new InvalidOperationException("broken")));
        var (time, log) = (new ManualTime(), new LogProbe<CameraRunner>());
        var run = new CameraRunner("a", engine, time, log).RunAsync(CancellationToken.None);
        await Eventually.TrueAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(4));
            return run.IsCompleted;
        });

        Assert.False(await run);
        Assert.Equal(CameraRunner.MaxCrashes, engine.Lives);
        Assert.Equal([1.0, 2.0, 4.0, 8.0, null], engine.Broken.Select(b => b.Retry?.TotalSeconds));
        Assert.Equal([4101, 4101, 4101, 4101, 4102], log.Entries.Select(e => e.Id));
    }

    [Fact]
    public async Task CameraRunner_StoppedDuringAPause_Ends()
    {
        using var metrics = new TestMetrics();
        using var stop = new CancellationTokenSource();
        var engine = new FakeEngine(metrics.Metrics, (_, _) => Task.FromException<bool>(new InvalidOperationException("broken")));
        var run = new CameraRunner("a", engine, new ManualTime(), new LogProbe<CameraRunner>()).RunAsync(stop.Token);
        await Eventually.TrueAsync(() => engine.Broken.Count == 1);
        await stop.CancelAsync();
        Assert.True(await run);
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }

        _http.Dispose();
        _folder.Dispose();
    }

    private async Task StartAsync(string yaml, Func<string, CancellationToken, Task<bool>> camera, Exception? failure = null)
    {
        _app = StreamingHost.Build(_folder.Load(yaml), null, services => services.AddSingleton<IEngine>(s =>
            _engine = new FakeEngine(s.GetRequiredService<PipelineMetrics>(), camera) { StartFailure = failure }));
        await _app.StartAsync();
    }

    private async Task<(HttpStatusCode Code, string Body)> GetAsync(string path)
    {
        using var response = await _http.GetAsync(new Uri(StreamingHost.Address(_app!) + path));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
