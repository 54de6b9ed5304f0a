using System.Text.Json;
using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Tests.Hosting.Service;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Commands;

/// <summary>What commands do to cameras.</summary>
public sealed class CommandTests : IAsyncDisposable
{
    private readonly ReloadRig _rig = new();

    [Fact]
    public async Task Fleet_DisabledCamera_EndsAndComesAgain_AndTheOtherRunsOn()
    {
        var lives = 0;
        const string Two = "cameras: { a: { file: a.mp4 }, b: { file: a.mp4 } }\n"
            + "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0' }\n";
        await _rig.StartAsync(Two, services => ScriptedCamera.Use(services, (name, stop) =>
        {
            Interlocked.Increment(ref lives);
            return ScriptedCamera.UntilStoppedAsync(name, stop);
        }));
        var fleet = _rig.Services.GetRequiredService<CameraFleet>();
        await Eventually.TrueAsync(() => lives == 2);

        Assert.True((await fleet.ExecuteAsync("a", "disable")).Done);
        Assert.True((await fleet.ExecuteAsync("a", "disable")).Done);
        Assert.Equal([CameraState.Disabled, CameraState.Starting], _rig.State.Cameras.Select(c => c.State));
        Assert.False((await fleet.ExecuteAsync("a", "reset_tracker")).Done);
        Assert.Equal(2, lives);
        Assert.True((await fleet.ExecuteAsync("a", "enable")).Done);
        await Eventually.TrueAsync(() => lives == 3);
        Assert.True((await fleet.ExecuteAsync("b", "reset_tracker")).Done);
        Assert.False((await fleet.ExecuteAsync("c", "disable")).Done);

        Assert.True((await fleet.ExecuteAsync("a", "disable")).Done);
        Assert.True((await fleet.ExecuteAsync("b", "disable")).Done);
        Assert.False(fleet.Over.IsCompleted); // nobody runs, but they may come again
        await fleet.StopAsync(TimeSpan.FromSeconds(30));
        Assert.False((await fleet.ExecuteAsync("a", "enable")).Done);
    }

    [Fact]
    public async Task Run_Commands_StopStartAndResetARealCamera()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        await _rig.StartAsync($$"""
            cameras: { a: { synthetic: { width: 32, height: 32, fps: 20 } } }
            mqtt: { servers: ['{{broker.Url}}'], commands: { enabled: true } }
            logging: { level: error }
            http: { bind: '127.0.0.1:0' }
            """);
        await subscriber.WaitAsync("a/tracks/final");

        await SayAsync("reset_tracker");
        await Eventually.TrueAsync(() => subscriber.On("a/events").Any(m =>
            m.Text.Contains("\"command\"", StringComparison.Ordinal)), "the reset is told");
        await SayAsync("disable");
        await Eventually.TrueAsync(() => State() == "disabled", "the camera is disabled");
        await Eventually.TrueAsync(() => subscriber.On("a/availability")[^1].Text == "offline", "and not available");
        await SayAsync("enable");
        await Eventually.TrueAsync(() => State() == "online", "the camera is back");
        await _rig.StopAsync(); // before its broker

        Task SayAsync(string verb) => MosquittoBroker.RunAsync("mosquitto_pub",
            [.. broker.ClientArguments(), "-q", "1", "-t", $"dvis/v1/dvis/camera/a/cmd/{verb}", "-m", "{}"]);
        string? State() =>
            JsonDocument.Parse(subscriber.On("a/state")[^1].Text).RootElement.GetProperty("state").GetString();
    }

    public async ValueTask DisposeAsync() => await _rig.DisposeAsync();
}
