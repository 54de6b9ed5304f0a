using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Service;

/// <summary>Notifier of systemd: ready, new status, signs of life while <see cref="Health.Live"/> is healthy.</summary>
internal sealed class ServiceManagerLoop(ServiceManager manager, Health health, RunState state, TimeProvider time)
    : PeriodicService(Interval(manager), time)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(1);

    private bool _ready;
    private string? _status;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        manager.Listens ? base.ExecuteAsync(stoppingToken) : Task.CompletedTask;

    protected internal override Task TickAsync()
    {
        if (state.Ready && !_ready)
        {
            _ready = true;
            manager.Ready();
        }

        var live = health.Live();
        var status = live.Healthy ? Status() : live.Detail!;
        if (status != _status) manager.Status(_status = status);
        if (manager.Watchdog is not null && live.Healthy) manager.Alive();
        return Task.CompletedTask;
    }

    // Three signs of life may be lost before the watchdog acts.
    private static TimeSpan Interval(ServiceManager manager) =>
        manager.Watchdog is { } limit && limit / 4 < s_longest ? limit / 4 : s_longest;

    private string Status()
    {
        if (!state.Ready) return "loading the model";
        var cameras = state.Cameras;
        var away = cameras.Where(c => !c.IsWell).Select(c => c.Name).ToList();
        var online = cameras.Count(c => c is { IsWell: true, HasEnded: false, State: not CameraState.Disabled });
        var names = away.Count == 0 ? "" : $"; not: {string.Join(", ", away)}";
        return $"{online} of {cameras.Count} cameras online{names}";
    }
}
