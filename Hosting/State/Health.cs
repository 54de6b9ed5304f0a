using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Telemetry;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Hosting.State;

/// <summary>
/// Answers whether to restart the process (live) and whether it does its work (ready). A camera that is away is neither: it
/// degrades, and is told in the detail.
/// </summary>
internal sealed class Health(CurrentConfig config, RunState state, RunStatistics statistics, Heartbeats beats, TimeProvider time) : BackgroundService
{
    /// <summary>A loop that has not moved for so long is dead.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>TensorRT builds its engine within the first run, which takes minutes.</summary>
    public static readonly TimeSpan BuildingPatience = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, Progress> _progress = [];   // of the loop only
    private long _beat = time.GetTimestamp();
    private volatile string[] _stuck = [];

    public HealthReport Live()
    {
        // A loop of ours that does not get to run means that the thread pool is starved: nothing else runs then either.
        var silent = time.GetElapsedTime(Interlocked.Read(ref _beat));
        if (silent > Patience) return new(false, "stuck", $"no heartbeat for {silent.TotalSeconds:0} s", []);
        var busy = beats.Stuck(StagePatience);
        if (busy.Count > 0) return new(false, "stuck", $"at one frame for more than {StagePatience.TotalSeconds:0} s: {string.Join(", ", busy)}", []);
        var stuck = _stuck;
        return stuck.Length == 0 ? new(true, "ok", null, []) : new(false, "stuck", $"frames come in but no results go out: {string.Join(", ", stuck)}", []);
    }

    private TimeSpan StagePatience => config.Options.Runtime.Provider.Contains("tensorrt") ? BuildingPatience : Patience;

    public HealthReport Ready() => ReadyNow() with { Config = state.Reload };

    private HealthReport ReadyNow()
    {
        var configured = statistics.Cameras.Where(c => config.Options.Cameras.ContainsKey(c.Name));
        var cameras = configured.Select(CameraNow).ToArray();
        if (state.Over) return new(false, "stopping", "the run is over", cameras);
        if (!state.Ready) return new(false, "starting", "the model is being loaded", cameras);
        // With finals and events safe on disk a broker that is away degrades; in memory they are at risk.
        if (config.Options.Mqtt.Servers.Length > 0 && !statistics.Mqtt.Connected)
            return statistics.Mqtt.OutboxOnDisk
                ? new(true, "degraded", "no MQTT broker has accepted the connection; finals and events wait on disk", cameras)
                : new(false, "not_connected", "no MQTT broker has accepted the connection", cameras);
        var away = cameras.Where(c => c.State is not ("online" or "starting")).Select(c => c.Name).ToArray();
        return away.Length == 0 ? new(true, "ok", null, cameras) : new(true, "degraded", $"not online: {string.Join(", ", away)}", cameras);
    }

    private CameraHealth CameraNow(CameraTally camera)
    {
        var warnings = state.Warnings(camera.Name);
        if (warnings.IsEmpty) return new(camera.Name, camera.State);
        return new(camera.Name, camera.State) { Warnings = [.. warnings.Select(w => w.Detail)] };
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Beat, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) Check();
        }
        catch (OperationCanceledException)
        {
            // The end of the run.
        }
    }

    /// <summary>A camera is stuck when frames have kept coming for a while and no result has.</summary>
    private void Check()
    {
        var now = time.GetTimestamp();
        Interlocked.Exchange(ref _beat, now);
        var stuck = new List<string>();
        foreach (var camera in statistics.Cameras)
        {
            var progress = _progress.GetValueOrDefault(camera.Name);
            // Time runs only while frames come in: a camera that is away is not stuck.
            if (progress is null || camera.Provisional != progress.Results || camera.FramesIn == progress.Frames) progress = new(camera.FramesIn, camera.Provisional, now);
            else if (time.GetElapsedTime(progress.Since, now) > StagePatience) stuck.Add(camera.Name);
            _progress[camera.Name] = progress;
        }

        foreach (var gone in _progress.Keys.Where(name => statistics.Cameras.All(c => c.Name != name)).ToList()) _progress.Remove(gone);
        _stuck = [.. stuck];
    }

    private sealed record Progress(long Frames, long Results, long Since);
}

/// <summary>Body of the health endpoints.</summary>
internal sealed record HealthReport(bool Healthy, string Status, string? Detail, CameraHealth[] Cameras)
{
    /// <summary>The last attempt to take over a changed configuration; null before the first.</summary>
    public ReloadReport? Config { get; init; }
}

/// <param name="State">starting, online, degraded, offline, disabled.</param>
internal sealed record CameraHealth(string Name, string State)
{
    /// <summary>What a person should change about a camera that works, in sentences; null: nothing.</summary>
    public string[]? Warnings { get; init; }
}
