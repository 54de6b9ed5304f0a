using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Hosting.State;

/// <summary>A background service that acts at a fixed interval until the host stops.</summary>
internal abstract class PeriodicService(TimeSpan interval, TimeProvider time) : BackgroundService
{
    protected TimeProvider Time => time;

    protected internal abstract Task TickAsync();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) await TickAsync();
        }
        catch (OperationCanceledException)
        {
            // The end of the run. A host whose start has failed would log it as an error.
        }
    }
}
