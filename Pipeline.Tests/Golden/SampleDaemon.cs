using Dvis.Streaming.Pipeline.Tests.Hosting.Service;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Golden;

/// <summary>
/// The whole program with a real broker. Cameras are added once the connection stands, so that nothing is lost or
/// merged before it: <c>a</c> reads the shipped sample with a tiny model, whose scores are constants and the same on
/// every machine; <c>b</c> is an RTSP camera that is away.
/// </summary>
internal sealed class SampleDaemon : IAsyncDisposable
{
    public const string Video = "samples/everyday.mp4";
    private const string Response = "dvis/v1/dvis/response/golden";

    private readonly string _task, _protocol;
    private readonly int _away = FreePorts.Next();
    private readonly MosquittoBroker _broker;

    private SampleDaemon(string task, string protocol, MosquittoBroker broker, MqttSubscriber subscriber)
        => (_task, _protocol, _broker, Subscriber) = (task, protocol, broker, subscriber);

    public ReloadRig Rig { get; } = new();

    public MqttSubscriber Subscriber { get; }

    /// <summary>Starts it, and returns when the sample is over and camera <c>b</c> has failed once.</summary>
    public static async Task<SampleDaemon> StartAsync(string task, string protocol)
    {
        Assert.SkipUnless(MosquittoBroker.Executable("ffmpeg") is not null, "ffmpeg is not installed.");
        var broker = await MosquittoBroker.StartAsync();
        var daemon = new SampleDaemon(task, protocol, broker, await MqttSubscriber.StartAsync(broker));
        try
        {
            await daemon.RunSampleAsync();
            return daemon;
        }
        catch
        {
            await daemon.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends a command that is refused or changes nothing, and waits for the answer.</summary>
    public async Task CommandAsync()
    {
        await MosquittoBroker.RunAsync(
            "mosquitto_pub", ["-V", "5", .. _broker.ClientArguments(), "-t", "dvis/v1/dvis/camera/b/cmd/enable", "-n",
            "-D", "publish", "response-topic", Response]);
        await Subscriber.WaitAsync(Response);
    }

    /// <summary>Removes camera <c>b</c>, ends the program, and returns when everything has been received.</summary>
    public async Task EndAsync()
    {
        await Rig.ReloadAsync(Yaml(Sample), "applied");
        await Subscriber.WaitTextAsync("camera/b/availability", "");
        await Rig.StopAsync();
        await Subscriber.WaitTextAsync("dvis/availability", "offline");
        await Subscriber.SettledAsync();
    }

    /// <summary>
    /// Kills the broker and removes camera <c>b</c>: there are messages that wait, and a camera whose series are gone.
    /// </summary>
    public async Task LoseBrokerAsync()
    {
        await _broker.KillAsync();
        await Rig.ReloadAsync(Yaml(Sample), "applied");
    }

    public async ValueTask DisposeAsync()
    {
        await Rig.DisposeAsync();
        await Subscriber.DisposeAsync();
        await _broker.DisposeAsync();
    }

    private static string Sample => $"  a: {{ file: '{Repo.Path(Video)}' }}\n";

    private string Away =>
        $"  b: {{ url: 'rtsp://127.0.0.1:{_away}/x', rtsp: {{ backoff: {{ initial: 1h, max: 1h, jitter: 0 }} }} }}\n";

    private async Task RunSampleAsync()
    {
        TinyScenes.Write(Path.Combine(Rig.Folder.Root, "scenes"), _task);
        await Rig.StartAsync(Yaml(""));
        await Subscriber.WaitAsync("dvis/status");
        await Rig.ReloadAsync(Yaml(Sample + Away), "applied");
        await Eventually.TrueAsync(() => IsOffline("a") && IsOffline("b"), "the sample is over and camera b is away");
    }

    private bool IsOffline(string camera) =>
        Subscriber.On($"camera/{camera}/state")
            .Any(m => m.Text.Contains("\"state\":\"offline\"", StringComparison.Ordinal));

    // The keeper never delivers a frame; without it the run would end with the sample.
    private string Yaml(string cameras) => $$"""
        cameras:
          keeper: { url: 'rtsp://127.0.0.1:1/x', rtsp: { backoff: { initial: 1h, max: 1h } } }
        {{cameras}}
        defaults: { publish: { masks: on, contours: {{(_task == "vss" ? "false" : "true")}} } }
        model: { path: scenes }
        mqtt:
          servers: ['{{_broker.Url}}']
          protocol: '{{_protocol}}'
          outbox: { path: outbox }
          backoff: { initial: 1h, max: 1h }
          commands: { enabled: true }
        logging: { level: error }
        http: { bind: '127.0.0.1:0' }
        """;
}
