using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Running;

/// <summary>
/// Runs the cameras between start and stop of the host. It starts when the web server already answers, so that health can be
/// asked while the model loads; it stops first, so that the last metrics can still be read.
/// </summary>
internal sealed partial class PipelineService(
    StreamingOptions options, IEngine engine, RunState state, IHostApplicationLifetime lifetime, TimeProvider time,
    ILoggerFactory loggers, ILogger<PipelineService> logger) : IHostedLifecycleService, IDisposable
{
    // Together below the 5 s that systemd, Kubernetes and people wait.
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(2.5);
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(1.5);

    private readonly CancellationTokenSource _stop = new();
    private Task _cameras = Task.CompletedTask;

    /// <exception cref="Pipeline.Inference.ModelException">The model cannot be used; the host does not start.</exception>
    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        await engine.StartAsync(cancellationToken);
        state.Ready = true;
        _cameras = RunAsync();
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        try
        {
            await _cameras.WaitAsync(DrainLimit, time, CancellationToken.None);
        }
        catch (TimeoutException)
        {
            state.Fail("the pipelines did not end in time");
            LogNotDrained(DrainLimit.TotalSeconds);
        }

        if (state.Ready && !await engine.FlushAsync(FlushLimit))
        {
            state.Fail("not everything could be delivered");
            LogNotFlushed(FlushLimit.TotalSeconds);
        }

        await engine.DisposeAsync();
        state.Over = true;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _stop.Dispose();

    private async Task RunAsync()
    {
        var cameras = options.Cameras.Keys.Select(RunCameraAsync).ToList();
        await Task.WhenAll(cameras);
        lifetime.StopApplication();
    }

    private async Task RunCameraAsync(string camera)
    {
        // Off the caller's thread: the first frames of one camera must not hold up the start of the next.
        var runner = new CameraRunner(camera, engine, time, loggers.CreateLogger<CameraRunner>());
        if (!await Task.Run(() => runner.RunAsync(_stop.Token))) state.Fail($"camera {camera} failed for good");
    }

    [LoggerMessage(4001, LogLevel.Error, "The pipelines did not end within {Seconds} s; what they still held is lost.")]
    private partial void LogNotDrained(double seconds);

    [LoggerMessage(4002, LogLevel.Error, "The sinks did not deliver everything within {Seconds} s.")]
    private partial void LogNotFlushed(double seconds);
}
