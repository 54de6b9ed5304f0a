using System.Net;
using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.Composition;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Composition;

public sealed class HostTests : IAsyncDisposable
{
    private const string NoMqtt = ConfigFolder.Cameras
        + "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0', page: off }\n";

    private static readonly string Two =
        "cameras: { a: { file: a.mp4 }, b: { file: a.mp4 } }\n" + NoMqtt[ConfigFolder.Cameras.Length..];

    private readonly ConfigFolder _folder = new();
    private readonly HttpClient _http = new();
    private WebApplication? _app;

    private RunState State => _app!.Services.GetRequiredService<RunState>();

    private MqttStatus Mqtt => _app!.Services.GetRequiredService<MqttStatus>();

    [Fact]
    public async Task Run_PortZero_ServesMetricsHealthAndIndex_AndStops()
    {
        await StartAsync(NoMqtt, ScriptedCamera.UntilStoppedAsync);
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
        Assert.True(State.Over);
        Assert.Empty(State.Failures);
    }

    [Fact]
    public async Task Metrics_SwitchedOff_AreNotServed()
    {
        await StartAsync(NoMqtt + "telemetry: { prometheus: false }", ScriptedCamera.UntilStoppedAsync);
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync("/metrics")).Code);
    }

    [Fact]
    public async Task Ready_MqttConfigured_WaitsForTheConnection_AndACameraThatIsAwayOnlyDegrades()
    {
        await StartAsync(NoMqtt.Replace("[]", "['mqtt://127.0.0.1:1']", StringComparison.Ordinal),
            ScriptedCamera.UntilStoppedAsync);
        var (code, body) = await GetAsync("/health/ready");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, true),
            (code, body.Contains("\"not_connected\"", StringComparison.Ordinal)));

        Mqtt.OutboxOnDisk = true;
        (code, body) = await GetAsync("/health/ready");
        Assert.Equal((HttpStatusCode.OK, true),
            (code, body.Contains("finals and events wait on disk", StringComparison.Ordinal)));
        Mqtt.OutboxOnDisk = false;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await GetAsync("/health/ready")).Code);

        Mqtt.Connected = true;
        Assert.Equal(HttpStatusCode.OK, (await GetAsync("/health/ready")).Code);

        Assert.Single(State.Cameras).Status = ScriptedCamera.Offline("a");
        (code, body) = await GetAsync("/health/ready");
        Assert.Equal(HttpStatusCode.OK, code);
        Assert.Equal(
            """{"healthy":true,"status":"degraded","detail":"not online: a","cameras":"""
            + """[{"name":"a","state":"offline"}]}""", body);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/health/live")]
    [InlineData("/health/ready")]
    [InlineData("/metrics")]
    [InlineData("/nowhere")]
    public async Task Head_AnswersAsGet_WithoutABody(string path)
    {
        await StartAsync(NoMqtt, ScriptedCamera.UntilStoppedAsync);
        var answers = new List<(HttpStatusCode Code, string? Type, string Headers, int Length)>();
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Head })
        {
            using var request = new HttpRequestMessage(method, new Uri(_app!.Urls.First() + path));
            using var answer = await _http.SendAsync(request);
            answers.Add((answer.StatusCode, answer.Content.Headers.ContentType?.ToString(),
                string.Join(' ', answer.Headers.Select(h => h.Key).Where(k => k != "Transfer-Encoding").Order()),
                (await answer.Content.ReadAsByteArrayAsync()).Length));
        }

        Assert.Equal(answers[0] with { Length = 0 }, answers[1]);
        Assert.Equal(path != "/nowhere", answers[0].Length > 0);
    }

    [Fact]
    public async Task Health_DisabledCameraAndEndedFile_DegradeNothing_AndLiveNamesNoCameras()
    {
        await StartAsync(
            Two, (name, stop) => name == "a" ? Task.FromResult(true) : ScriptedCamera.UntilStoppedAsync(name, stop));
        var (ended, disabled) = (State.Cameras[0], State.Cameras[1]);
        await Eventually.TrueAsync(() => ended.Run == CameraRun.Ended);
        ended.Status = ScriptedCamera.Offline("a");
        disabled.Status = ScriptedCamera.Offline("b") with { State = CameraState.Disabled };
        Assert.Equal(
            """{"healthy":true,"status":"ok","cameras":"""
            + """[{"name":"a","state":"offline"},{"name":"b","state":"disabled"}]}""",
            (await GetAsync("/health/ready")).Body);
        Assert.Equal("""{"healthy":true,"status":"ok"}""", (await GetAsync("/health/live")).Body);

        disabled.Status = ScriptedCamera.Offline("b");
        Assert.Contains("\"not online: b\"", (await GetAsync("/health/ready")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_ModelCannotBeUsed_FailsWithItsSentence()
    {
        var config = _folder.Load(NoMqtt);
        Directory.Delete(Path.Combine(_folder.Root, "Models"), recursive: true);
        _app = StreamingHost.Build(config, null);
        var e = await Assert.ThrowsAsync<ModelException>(() => _app.StartAsync());
        Assert.Contains("Models/default", e.Message, StringComparison.Ordinal);
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
            Two,
            (name, stop) => name == "a" ? Task.FromResult(false) : ScriptedCamera.UntilStoppedAsync(name, stop));
        await Eventually.TrueAsync(() => State.Failures.Count > 0);
        Assert.Equal(["camera a failed for good"], State.Failures);
        Assert.False(
            _app!.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested);
        await _app.StopAsync();
    }

    [Fact]
    public async Task Run_PipelineBreaks_BeginsAnewWithGrowingPauses_ThenIsGivenUp()
    {
        var (time, log, lives) = (new ManualTime(), new CollectingLogger(), 0);
        await StartAsync(
            Two, (name, stop) => name == "b" ? ScriptedCamera.UntilStoppedAsync(name, stop) : Break(ref lives), time,
            log);
        await Eventually.TrueAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(4));
            return State.Failures.Count > 0;
        });

        Assert.Equal(["camera a failed for good"], State.Failures);
        Assert.Equal(Camera.MaxCrashes, lives);
        var told = log.Entries.Where(e => e.Id is 4101 or 4102).ToList();
        Assert.Equal([4101, 4101, 4101, 4101, 4102], told.Select(e => e.Id));
        Assert.Equal(["1 s.", "2 s.", "4 s.", "8 s."], told.SkipLast(1).Select(e => e.Message.Split(" in ")[1]));
        var status = State.Cameras[0].Status!;
        Assert.Equal((CameraState.Offline, Camera.MaxCrashes), (status.State, status.Attempt));
        Assert.Null(status.NextRetrySeconds);
    }

    [Fact]
    public async Task Run_StoppedDuringAPause_EndsWithoutFailure()
    {
        var (log, lives) = (new CollectingLogger(), 0);
        await StartAsync(NoMqtt, (_, _) => Break(ref lives), new ManualTime(), log);
        await Eventually.TrueAsync(() => State.Cameras[0].Status is { NextRetrySeconds: 1 });
        await _app!.StopAsync();
        Assert.Equal((1, CameraRun.Ended), (lives, State.Cameras[0].Run));
        Assert.Empty(State.Failures);
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            if (!State.Over) await _app.StopAsync();
            await _app.DisposeAsync();
        }

        _http.Dispose();
        _folder.Dispose();
    }

    private static Task<bool> Break(ref int lives)
    {
        Interlocked.Increment(ref lives);
        return Task.FromException<bool>(new InvalidOperationException("broken"));
    }

    private async Task StartAsync(
        string yaml, Func<string, CancellationToken, Task<bool>> camera, TimeProvider? time = null,
        ILoggerProvider? log = null)
    {
        _app = StreamingHost.Build(_folder.Load(yaml), null, services =>
        {
            ScriptedCamera.Use(services, camera);
            if (time is not null) services.AddSingleton(time);
            if (log is not null) services.AddSingleton(log);
        });
        await _app.StartAsync();
    }

    private async Task<(HttpStatusCode Code, string Body)> GetAsync(string path)
    {
        using var response = await _http.GetAsync(new Uri(_app!.Urls.First() + path));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
