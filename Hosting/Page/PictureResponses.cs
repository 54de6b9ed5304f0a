using System.Globalization;
using System.Text;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Page.Live;
using Dvis.Streaming.Hosting.Pictures;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Hosting.Page;

/// <summary>Newest picture of a camera, once or as motion JPEG; outlines are drawn with <c>?overlay=1</c>.</summary>
internal sealed class PictureResponses(
    CurrentConfig config, LiveView view, IHostApplicationLifetime lifetime, TimeProvider time)
{
    private const double SnapshotFps = 10, StreamFps = 5;
    private const string Boundary = "frame";

    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(5);

    public async Task SnapshotAsync(HttpContext context)
    {
        if (Viewer(context, SnapshotFps) is not { } viewer)
        {
            await Refusal.UnknownCameraAsync(context);
            return;
        }

        using var response = await LongResponse.BeginAsync(context, view, viewer, lifetime, time);
        if (response is null) return;
        using var limit = new CancellationTokenSource(s_wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, response.End);
        try
        {
            var jpeg = PictureOf(context, await viewer.NextAsync(either.Token)).Jpeg;
            (context.Response.ContentType, context.Response.ContentLength) = ("image/jpeg", jpeg.Length);
            await context.Response.Body.WriteAsync(jpeg, context.RequestAborted);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            await Refusal.WriteAsync(
                context, StatusCodes.Status503ServiceUnavailable,
                $"No frame of this camera came within {s_wait.TotalSeconds} s.");
        }
    }

    public async Task StreamAsync(HttpContext context)
    {
        if (Viewer(context, StreamFps) is not { } viewer)
        {
            await Refusal.UnknownCameraAsync(context);
            return;
        }

        using var response = await LongResponse.BeginAsync(context, view, viewer, lifetime, time);
        if (response is null) return;
        try
        {
            if (!await response.StartAsync($"multipart/x-mixed-replace; boundary={Boundary}")) return;
            while (await response.WriteAsync(Part(PictureOf(context, await viewer.NextAsync(response.End)))))
            {
            }
        }
        catch (OperationCanceledException) when (response.End.IsCancellationRequested)
        {
            // The viewer has left, or the service stops.
        }
    }

    private PictureViewer? Viewer(HttpContext context, double fps)
    {
        var camera = (string)context.Request.RouteValues["camera"]!;
        return config.Options.Cameras.ContainsKey(camera) ? new(camera, fps) : null;
    }

    private static Picture PictureOf(HttpContext context, ShownFrame frame) =>
        context.Request.Query["overlay"] == "1" ? frame.Overlay : frame.Picture!;

    private static byte[] Part(Picture picture)
    {
        var head = string.Create(
            CultureInfo.InvariantCulture,
            $"--{Boundary}\r\nContent-Type: image/jpeg\r\nContent-Length: {picture.Jpeg.Length}\r\n\r\n");
        return [.. Encoding.ASCII.GetBytes(head), .. picture.Jpeg, .. "\r\n"u8];
    }
}
