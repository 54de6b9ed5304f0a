using Dvis.Streaming.Hosting.State;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Hosting.Service;

/// <summary>
/// Keeps the service manager informed: ready once the model is loaded and the cameras run, a line of status when it changes, and a sign of
/// life only while <see cref="Health.Live"/> holds: no stage of any camera is stuck, and our own loops get to run.
/// </summary>
internal sealed class ServiceManagerLoop(ServiceManager manager, Health health, RunState state, RunStatistics statistics, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private bool _ready;
    private string? _status;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!manager.Listens) return;
        // Three signs of life may get lost before it matters.
        using var timer = new PeriodicTimer(manager.Watchdog is { } limit && limit / 4 < Tick ? limit / 4 : Tick, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) Tell();
        }
        catch (OperationCanceledException)
        {
            // The end of the run.
        }
    }

    private void Tell()
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
    }

    private string Status()
    {
        if (!state.Ready) return "loading the model";
        var cameras = statistics.Cameras.ToList();
        var away = cameras.Where(c => c.State is not ("online" or "starting")).Select(c => c.Name).ToList();
        return $"{cameras.Count - away.Count} of {cameras.Count} cameras online{(away.Count == 0 ? "" : $"; not: {string.Join(", ", away)}")}";
    }
}
