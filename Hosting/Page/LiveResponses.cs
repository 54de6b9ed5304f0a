using System.Globalization;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Page.Live;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Hosting.Page;

/// <summary>The live feed: server-sent events of shown frames, their finals, states and events of cameras.</summary>
internal sealed class LiveResponses(
    CurrentConfig config, LiveView view, IHostApplicationLifetime lifetime, TimeProvider time)
{
    private const double DefaultFps = 5, MinFps = 0.1, MaxFps = 10;

    public async Task FeedAsync(HttpContext context)
    {
        if (Cameras(context) is { } unknown && !unknown.All(config.Options.Cameras.ContainsKey))
        {
            await Refusal.UnknownCameraAsync(context);
            return;
        }

        if (Fps(context) is not { } fps)
        {
            await Refusal.WriteAsync(
                context, StatusCodes.Status400BadRequest, $"fps needs a number from {MinFps} to {MaxFps}.");
            return;
        }

        var revises = context.Request.Query["final"] == "1";
        var viewer = new FeedViewer(Cameras(context), fps, revises, time);
        using var response = await LongResponse.BeginAsync(context, view, viewer, lifetime, time);
        if (response is null) return;
        if (await response.StartAsync("text/event-stream")) await SendAsync(response, viewer);
    }

    private async Task SendAsync(LongResponse response, FeedViewer viewer)
    {
        try
        {
            while (await response.WriteAsync(await viewer.NextAsync(response.End)))
            {
            }
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            await response.WriteAsync(FeedViewer.Event("bye", LiveJson.Write(new Farewell("the service stops"))));
        }
        catch (OperationCanceledException) when (response.End.IsCancellationRequested)
        {
            // The viewer has left.
        }
    }

    /// <summary>Names in the query; null: all cameras.</summary>
    private static HashSet<string>? Cameras(HttpContext context)
    {
        var names = context.Request.Query["cameras"].ToString()
            .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return names.Length == 0 ? null : [.. names];
    }

    /// <summary>Null: not a number, or out of range.</summary>
    private static double? Fps(HttpContext context)
    {
        var text = context.Request.Query["fps"].ToString();
        if (text.Length == 0) return DefaultFps;
        return double.TryParse(text, CultureInfo.InvariantCulture, out var fps) && fps is >= MinFps and <= MaxFps
            ? fps
            : null;
    }

    private sealed record Farewell(string Reason);
}
