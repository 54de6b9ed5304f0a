using System.CommandLine;
using System.Globalization;
using Dvis.Streaming.Hosting.Composition;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Common;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary>Command <c>dvis run</c>: runs until it is stopped, its files have ended, or the time is over.</summary>
internal static class RunCommand
{
    // A timer takes 49 days.
    private const int MaxSeconds = 4_000_000;

    public static Command Create()
    {
        var config = new ConfigArguments();
        var seconds = new Option<double?>("--seconds")
        {
            Description = "Ends after so many seconds with a summary; exit code 0 only when results were delivered.",
        };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Prints no progress; logs only." };
        seconds.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
                if (!double.TryParse(token.Value, CultureInfo.InvariantCulture, out var n)
                    || n is not (> 0 and <= MaxSeconds))
                    result.AddError($"--seconds needs a number above 0, at most {MaxSeconds}");
        });
        var command = config.AddTo(new Command("run", "Runs the cameras of a configuration."));
        command.Options.Add(seconds);
        command.Options.Add(quiet);
        command.SetAction((parsed, stop) =>
            RunAsync(config.Load(parsed), parsed.GetValue(seconds), parsed.GetValue(quiet), stop));
        return command;
    }

    private static async Task<int> RunAsync(LoadedConfig config, double? seconds, bool quiet, CancellationToken stop)
    {
        var options = config.Options;
        OpenFiles.Require(options.Cameras.Count);
        var prints = !quiet && options.Logging.Format == LogFormat.Text && options.Sinks.JsonLines.Path != "-";
        await using var app = StreamingHost.Build(config, prints ? Console.Out : null);
        await using var asked = stop.Register(app.Lifetime.StopApplication);
        var start = Task.Run(() => StartedAsync(app, options));
        if (prints) await ReportAsync(start);
        if (!await start) return ExitCode.Ok;
        if (prints)
            foreach (var line in RunBanner.Lines(config, app.Urls.First()))
                await Console.Out.WriteLineAsync(line);

        await using var timer = seconds is not { } limit ? null : TimeProvider.System.CreateTimer(
            _ => app.Lifetime.StopApplication(), null, TimeSpan.FromSeconds(limit), Timeout.InfiniteTimeSpan);
        await app.WaitForShutdownAsync(stop);
        return await EndAsync(app, options, seconds is not null, prints);
    }

    /// <summary>Prints the seconds while the model loads, which takes long for a large one.</summary>
    private static async Task ReportAsync(Task start)
    {
        var pause = TimeSpan.FromSeconds(2);
        for (var waited = pause; ; waited += pause)
        {
            if (await Task.WhenAny(start, Task.Delay(pause, TimeProvider.System)) == start) return;
            await Console.Out.WriteLineAsync($"dvis: loading the model, {waited.TotalSeconds} s");
        }
    }

    /// <returns>False: stopped before the start was complete.</returns>
    private static async Task<bool> StartedAsync(WebApplication app, StreamingOptions options)
    {
        try
        {
            await app.StartAsync();
            return true;
        }
        catch (OperationCanceledException) when (app.Lifetime.ApplicationStopping.IsCancellationRequested)
        {
            await app.StopAsync();
            return false;
        }
        catch (IOException e)
        {
            throw new CommandException(
                ExitCode.Failed,
                $"http.bind: {options.Http.Bind} cannot be used: {e.GetBaseException().Message}; "
                + "set http.bind to another port, or to 127.0.0.1:0 for any free one.", e);
        }
        catch
        {
            await app.StopAsync();
            throw;
        }
    }

    private static async Task<int> EndAsync(WebApplication app, StreamingOptions options, bool timed, bool prints)
    {
        var state = app.Services.GetRequiredService<RunState>();
        var mqtt = options.Mqtt.Servers.Length > 0;
        // Lines of results stay alone on standard output.
        var output = options.Sinks.JsonLines.Path == "-" ? Console.Error : Console.Out;
        if (timed || prints)
            foreach (var line in RunSummary.Lines(state, mqtt)) await output.WriteLineAsync(line);

        var failures = state.Failures.ToList();
        if (timed && RunSummary.Shortfall(state, mqtt) is { } shortfall) failures.Add(shortfall);
        foreach (var failure in failures) await Console.Error.WriteLineAsync($"dvis: {failure}");
        return failures.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
    }
}
