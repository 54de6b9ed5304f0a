using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Service;

/// <summary>
/// Service that runs the cameras. It starts after the web server, so that health can be read while the model loads, and
/// stops before it, so that the last metrics can be read.
/// </summary>
internal sealed partial class PipelineService(
    StreamingOptions options, Engine engine, CameraFleet fleet, ServiceManager manager, RunState state, IServer server,
    IHostApplicationLifetime lifetime, ILogger<PipelineService> logger) : IHostedLifecycleService
{
    /// <summary>Variable with the path of a file that gets the address of the web server, for health checks.</summary>
    public const string AddressFile = "DVIS_ADDRESS_FILE";

    // Together below the 5 s that systemd and Kubernetes wait.
    private static readonly TimeSpan s_drainLimit = TimeSpan.FromSeconds(2.5);
    private static readonly TimeSpan s_flushLimit = TimeSpan.FromSeconds(1.5);

    /// <exception cref="Pipeline.Inference.ModelException">The model cannot be used; the host stops.</exception>
    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        await WriteAddressAsync(cancellationToken);
        await engine.StartAsync(fleet, cancellationToken);
        state.Model = engine.Running;
        fleet.Start(engine, options.Cameras);
        state.Ready = true;
        _ = StopWhenOverAsync();
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        manager.Stopping();
        try
        {
            await fleet.StopAsync(s_drainLimit);
        }
        catch (TimeoutException)
        {
            state.Fail("the pipelines did not end in time");
            LogNotDrained(s_drainLimit.TotalSeconds);
        }

        if (state.Ready && !await engine.Sinks.StopAsync(s_flushLimit))
        {
            state.Fail("not everything could be delivered");
            LogNotFlushed(s_flushLimit.TotalSeconds);
        }

        await engine.DisposeAsync();
        state.Over = true;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task WriteAddressAsync(CancellationToken cancel)
    {
        if (Environment.GetEnvironmentVariable(AddressFile) is not { Length: > 0 } path) return;
        try
        {
            var address = server.Features.Get<IServerAddressesFeature>()!.Addresses.First();
            await File.WriteAllTextAsync(path, $"{address}\n", cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNoAddress(AddressFile, e.Message);
        }
    }

    private async Task StopWhenOverAsync()
    {
        await fleet.Over;
        lifetime.StopApplication();
    }

    [LoggerMessage(4001, LogLevel.Error, "The pipelines did not end within {Seconds} s; what they still held is lost.")]
    private partial void LogNotDrained(double seconds);

    [LoggerMessage(4003, LogLevel.Warning, "The file of {Variable} could not be written: {Problem}")]
    private partial void LogNoAddress(string variable, string problem);

    [LoggerMessage(4002, LogLevel.Error, "The sinks did not deliver everything within {Seconds} s.")]
    private partial void LogNotFlushed(double seconds);
}
