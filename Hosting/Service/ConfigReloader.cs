using System.Runtime.InteropServices;
using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Service;

/// <summary>
/// Reload of the configuration while the cameras run: when a file has changed and was then equal at two looks, and on
/// SIGHUP. A configuration with errors, or with a change that needs a restart, leaves the old one in force; log,
/// metrics and health report it.
/// </summary>
internal sealed partial class ConfigReloader(
    CurrentConfig current, CameraFleet fleet, RunState state, MetricsPage page, ServiceManager manager,
    TimeProvider time, ILogger<ConfigReloader> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time)
{
    private readonly ConfigLoader _loader = current.Value.Loader;
    private int _asked;
    private string? _tried, _seen; // state of the files at the last attempt and at the last look

    /// <summary>Requests a reload at the next look, as SIGHUP does.</summary>
    public void Ask() => Interlocked.Exchange(ref _asked, 1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var hadTerminal = isatty(0) == 1;
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            // When the terminal that this was started from is closed, SIGHUP ends the program.
            if (hadTerminal && isatty(0) == 0) return;
            signal.Cancel = true;
            Ask();
        });
        await base.ExecuteAsync(stoppingToken);
    }

    protected internal override Task TickAsync() => state.Ready && Due() ? ReloadAsync() : Task.CompletedTask;

    private bool Due()
    {
        var now = _loader.Files.Now();
        // A file that is being written changes from look to look.
        var settled = now == _seen;
        _seen = now;
        var asked = Interlocked.Exchange(ref _asked, 0) == 1;
        if (!asked && (!settled || now == _loader.Files.Read || now == _tried)) return false;
        _tried = now;
        return true;
    }

    private async Task ReloadAsync()
    {
        ReloadReport report;
        manager.Reloading();
        try
        {
            report = await ApplyAsync(_loader.Load(current.Value.File));
        }
        catch (ConfigException e)
        {
            report = new(ReloadOutcome.Invalid, Time.GetUtcNow(), e.Message);
            LogInvalid(e.Errors.Count, e.Message);
        }
        catch (Exception e) // a boundary: the running cameras are not affected
        {
            report = new(ReloadOutcome.Failed, Time.GetUtcNow(), e.Message);
            LogFailed(e);
        }

        manager.Ready();
        state.Reloaded(report with { Detail = Redaction.Apply(report.Detail, current.Secrets) });
    }

    private async Task<ReloadReport> ApplyAsync(LoadedConfig next)
    {
        var change = ConfigChange.Between(current.Options, next.Options);
        if (change.Fixed.Count > 0)
        {
            var refusal = $"{string.Join(", ", change.Fixed)} cannot change while the program runs, "
                + "so nothing was changed; restart it";
            LogRefused(refusal);
            return new(ReloadOutcome.Refused, Time.GetUtcNow(), refusal);
        }

        if (change.IsEmpty)
        {
            LogUnchanged();
            return new(ReloadOutcome.Unchanged, Time.GetUtcNow(), "the same configuration");
        }

        await fleet.ChangeAsync(change, next, () => current.Replace(next));
        await page.DropEndedAsync();
        LogApplied(change);
        return new(ReloadOutcome.Applied, Time.GetUtcNow(), change.ToString());
    }

    [DllImport("libc")]
    private static extern int isatty(int file);

    [LoggerMessage(4301, LogLevel.Information, "The configuration was taken over: {Change}.")]
    private partial void LogApplied(ConfigChange change);

    [LoggerMessage(4302, LogLevel.Information, "The configuration was read again and is the same.")]
    private partial void LogUnchanged();

    [LoggerMessage(4303, LogLevel.Error, "The configuration has {Count} error(s); the old one still holds:\n{Errors}")]
    private partial void LogInvalid(int count, string errors);

    [LoggerMessage(4304, LogLevel.Error, "The configuration was not taken over: {Refusal}.")]
    private partial void LogRefused(string refusal);

    [LoggerMessage(4305, LogLevel.Error, "The configuration could not be taken over.")]
    private partial void LogFailed(Exception e);
}
