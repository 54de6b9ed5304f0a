using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources.Supervision;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;

/// <summary>An engine whose cameras do what the test says.</summary>
internal sealed class FakeEngine(PipelineMetrics metrics, Func<string, CancellationToken, Task<bool>> camera) : IEngine
{
    public int Lives;
    public int Disposals;

    public List<(string Camera, int Attempt, TimeSpan? Retry)> Broken { get; } = [];

    public bool Flushed { get; private set; }

    public Exception? StartFailure { get; set; }

    /// <summary>When the model is loaded.</summary>
    public Task Loaded { get; set; } = Task.CompletedTask;

    public async Task StartAsync(CancellationToken cancel)
    {
        _ = new SourceMetrics(metrics.Camera("a"));
        metrics.Camera("a").Initialize();
        await Loaded;
        if (StartFailure is { } e) throw e;
    }

    public List<string> Added { get; } = [];

    public List<string> Removed { get; } = [];

    public List<LoadedConfig> Announced { get; } = [];

    public void AddCamera(string name, CameraOptions options)
    {
        lock (Added) Added.Add(name);
    }

    public Task RemoveCameraAsync(string name)
    {
        lock (Removed) Removed.Add(name);
        return Task.CompletedTask;
    }

    public Task AnnounceAsync(LoadedConfig config)
    {
        lock (Announced) Announced.Add(config);
        return Task.CompletedTask;
    }

    public Task<bool> RunCameraAsync(string name, CancellationToken stop)
    {
        Interlocked.Increment(ref Lives);
        return camera(name, stop);
    }

    public void CameraBroke(string name, int attempt, TimeSpan? retry)
    {
        lock (Broken) Broken.Add((name, attempt, retry));
    }

    public List<string> Disabled { get; } = [];

    public List<string> Reset { get; } = [];

    public void CameraDisabled(string name) => Disabled.Add(name);

    public void ResetTracker(string name) => Reset.Add(name);

    public Task<bool> FlushAsync(TimeSpan limit)
    {
        Flushed = true;
        return Task.FromResult(true);
    }

    public ValueTask DisposeAsync()
    {
        Disposals++;
        return ValueTask.CompletedTask;
    }

    /// <summary>A camera that runs until it is stopped.</summary>
    public static async Task<bool> UntilStoppedAsync(string name, CancellationToken stop)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        return true;
    }
}
