using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.State;

/// <summary>
/// Health of the process: whether to restart it (live) and whether it works (ready). A camera that is away changes
/// neither; ready is degraded then, and its detail names the camera.
/// </summary>
internal sealed class Health(CurrentConfig config, RunState state, Heartbeats beats, TimeProvider time)
    : PeriodicService(TimeSpan.FromSeconds(1), time)
{
    /// <summary>Time without progress after which a loop is stuck.</summary>
    public static readonly TimeSpan StuckLimit = TimeSpan.FromSeconds(60);

    /// <summary>Limit with TensorRT, which builds its engine within the first run.</summary>
    public static readonly TimeSpan BuildingLimit = TimeSpan.FromMinutes(15);

    private readonly Dictionary<string, Progress> _progress = [];   // of the loop only
    private long _beat = time.GetTimestamp();
    private volatile string[] _stuck = [];

    public HealthReport Live()
    {
        // When this loop does not run, the thread pool is starved, and nothing else runs.
        var silent = Time.GetElapsedTime(Interlocked.Read(ref _beat));
        if (silent > StuckLimit) return new(false, "stuck", $"no heartbeat for {silent.TotalSeconds:0} s");
        var busy = beats.Stuck(StageLimit);
        if (busy.Count > 0)
        {
            var limit = $"{StageLimit.TotalSeconds:0} s";
            return new(false, "stuck", $"at one frame for more than {limit}: {string.Join(", ", busy)}");
        }

        if (_stuck is not { Length: > 0 } stuck) return new(true, "ok");
        return new(false, "stuck", $"frames come in but no results go out: {string.Join(", ", stuck)}");
    }

    private TimeSpan StageLimit =>
        config.Options.Runtime.Provider.Contains("tensorrt") ? BuildingLimit : StuckLimit;

    public HealthReport Ready() => ReadyNow() with { Config = state.Reload };

    private HealthReport ReadyNow()
    {
        var cameras = state.Cameras.Select(c => new CameraHealth(c.Name, c.State)
        {
            Warnings = c.Warnings.IsEmpty ? null : [.. c.Warnings.Select(w => w.Detail)],
        }).ToArray();
        if (state.Over) return new(false, "stopping", "the run is over", cameras);
        if (!state.Ready) return new(false, "starting", "the model is being loaded", cameras);
        var reasons = new List<string>();
        // An unreachable broker degrades when finals and events are on disk; in memory they may be lost.
        if (config.Options.Mqtt.Servers.Length > 0 && !state.Mqtt.Connected)
        {
            const string Away = "no MQTT broker has accepted the connection";
            if (!state.Mqtt.OutboxOnDisk) return new(false, "not_connected", Away, cameras);
            reasons.Add($"{Away}; finals and events wait on disk");
        }

        var away = state.Cameras.Where(c => !c.IsWell).Select(c => c.Name).ToArray();
        if (away.Length > 0) reasons.Add($"not online: {string.Join(", ", away)}");
        var overloaded = state.Cameras.Where(c => c.Recent.Overloaded)
            .OrderByDescending(c => c.Recent.DroppedShare)
            .Select(c => $"{c.Name} ({c.Recent.DroppedShare * 100:0} % dropped, {c.Recent.Reason})").ToArray();
        if (overloaded.Length > 0) reasons.Add($"overloaded: {string.Join(", ", overloaded)}");
        return reasons.Count == 0
            ? new(true, "ok", null, cameras)
            : new(true, "degraded", string.Join("; ", reasons), cameras);
    }

    /// <summary>Finds cameras with frames but no results for longer than the limit.</summary>
    protected internal override Task TickAsync()
    {
        var now = Time.GetTimestamp();
        Interlocked.Exchange(ref _beat, now);
        var stuck = new List<string>();
        var cameras = state.Cameras;
        foreach (var camera in cameras)
        {
            var (frames, results) = (camera.Counts.FramesIn, camera.Counts.Provisional);
            var progress = _progress.GetValueOrDefault(camera.Name);
            // The time counts only while frames arrive: a camera that is away is not stuck.
            if (progress is null || results != progress.Results || frames == progress.Frames)
                progress = new(frames, results, now);
            else if (Time.GetElapsedTime(progress.Since, now) > StageLimit) stuck.Add(camera.Name);
            _progress[camera.Name] = progress;
        }

        foreach (var gone in _progress.Keys.Except(cameras.Select(c => c.Name)).ToList()) _progress.Remove(gone);
        _stuck = [.. stuck];
        return Task.CompletedTask;
    }

    private sealed record Progress(long Frames, long Results, long Since);
}

/// <summary>Body of the health endpoints.</summary>
/// <param name="Cameras">Null where cameras are not reported.</param>
internal sealed record HealthReport(
    bool Healthy, string Status, string? Detail = null, CameraHealth[]? Cameras = null)
{
    /// <summary>The last attempt to take over a changed configuration; null before the first.</summary>
    public ReloadReport? Config { get; init; }
}

internal sealed record CameraHealth(string Name, CameraState State)
{
    /// <summary>Warnings about a camera that works, in sentences; null: none.</summary>
    public string[]? Warnings { get; init; }
}
