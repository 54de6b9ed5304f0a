using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Keeps the pipeline of one camera alive: a crash is logged and begun anew after a growing pause, but not for ever.</summary>
internal sealed partial class CameraRunner(string camera, IEngine engine, TimeProvider time, ILogger<CameraRunner> logger)
{
    /// <summary>Crashes in a row after which it is given up.</summary>
    public const int MaxCrashes = 5;

    // A pipeline that ran this long was healthy: the next crash counts as the first.
    private static readonly TimeSpan Healthy = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <returns>True when it ended as it should: it was asked to stop, or its stream is over.</returns>
    public async Task<bool> RunAsync(CancellationToken stop)
    {
        for (var crashes = 0; ;)
        {
            var started = time.GetTimestamp();
            try
            {
                return await engine.RunCameraAsync(camera, stop) || stop.IsCancellationRequested;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return true;
            }
            catch (Exception e) // whatever broke, it broke this camera only
            {
                crashes = time.GetElapsedTime(started) > Healthy ? 1 : crashes + 1;
                if (crashes >= MaxCrashes)
                {
                    LogGivenUp(camera, crashes, e);
                    engine.CameraBroke(camera, crashes, null);
                    return false;
                }

                var pause = Pause * (1 << (crashes - 1));
                LogCrashed(camera, pause.TotalSeconds, e);
                engine.CameraBroke(camera, crashes, pause);
                if (!await SleptAsync(pause, stop)) return true;
            }
        }
    }

    private async Task<bool> SleptAsync(TimeSpan pause, CancellationToken stop)
    {
        try
        {
            await Task.Delay(pause, time, stop);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(4101, LogLevel.Error, "Camera {Camera}: its pipeline broke; it begins anew in {Pause} s.")]
    private partial void LogCrashed(string camera, double pause, Exception e);

    [LoggerMessage(4102, LogLevel.Critical, "Camera {Camera}: its pipeline broke {Crashes} times in a row and is given up; the other cameras go on.")]
    private partial void LogGivenUp(string camera, int crashes, Exception e);
}
