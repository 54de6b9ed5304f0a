using System.Globalization;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>
/// Watch over the cameras whose frames come faster than the model takes them: it measures every second, publishes the
/// state of a camera when its overload begins or ends, and logs it, then at growing intervals while it lasts.
/// </summary>
internal sealed partial class OverloadWatch(
    RunState state, CameraFleet fleet, TimeProvider time, ILogger<OverloadWatch> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time)
{
    private static readonly BackoffOptions s_pauses =
        new() { Initial = TimeSpan.FromSeconds(10), Max = TimeSpan.FromMinutes(10), Jitter = 0 };

    private readonly Dictionary<string, Line> _lines = [];   // of the loop only

    protected internal override Task TickAsync()
    {
        var cameras = state.Cameras;
        foreach (var camera in cameras)
        {
            var before = camera.Recent;
            var now = camera.Measure();
            if (now.Overloaded != before.Overloaded) fleet.Repeat(camera.Name);
            Log(camera.Name, now);
        }

        foreach (var gone in _lines.Keys.Except(cameras.Select(c => c.Name)).ToList()) _lines.Remove(gone);
        return Task.CompletedTask;
    }

    private void Log(string camera, RecentFigures now)
    {
        var last = _lines.GetValueOrDefault(camera);
        var wasOverloaded = last is { Overloaded: true };
        if (!now.Overloaded && !wasOverloaded) return;
        var lasts = now.Overloaded && wasOverloaded;
        if (last is not null && Time.GetElapsedTime(last.At) < (lasts ? last.Pause : s_pauses.Initial)) return;
        if (now.Overloaded)
        {
            LogOverloaded(
                camera, now.DroppedShare * 100, now.Reason ?? "none now", Rates(now),
                Math.Max(1, Math.Floor(now.FpsOut)));
        }
        else LogRecovered(camera);

        var pauses = lasts ? last!.Pauses : new Backoff(s_pauses, Random.Shared);
        _lines[camera] = new(Time.GetTimestamp(), pauses.Next(), now.Overloaded, pauses);
    }

    // Frames that were received before and have results now may make up for those that were dropped.
    private static string Rates(RecentFigures now)
    {
        var (done, received) = (Math.Round(now.FpsOut, 1), Math.Round(now.FpsIn, 1));
        return done >= received ? "" : string.Create(CultureInfo.InvariantCulture,
            $": {done:0.0} of {received:0.0} frames per second have results");
    }

    /// <param name="Pause">Shortest time to the next line about the same overload.</param>
    private sealed record Line(long At, TimeSpan Pause, bool Overloaded, Backoff Pauses);

    [LoggerMessage(
        4502, LogLevel.Warning,
        "Camera {Camera}: overloaded, {Share:0} % of the frames of the last 10 s were dropped ({Reason}){Rates}. What "
        + "helps: rate.max_fps {Rate:0} for this camera, fewer cameras on this machine, or a GPU; see docs/sizing.md.")]
    private partial void LogOverloaded(string camera, double share, string reason, string rates, double rate);

    [LoggerMessage(4503, LogLevel.Information, "Camera {Camera}: no longer overloaded.")]
    private partial void LogRecovered(string camera);
}
