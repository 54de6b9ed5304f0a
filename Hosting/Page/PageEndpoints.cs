using System.Globalization;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Http;
using Dvis.Streaming.Hosting.Page.Live;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Dvis.Streaming.Hosting.Page;

/// <summary>Paths of the live page and of its data.</summary>
internal sealed class PageEndpoints(
    CurrentConfig config, PageAnswers answers, LiveView view, LiveResponses live, PictureResponses pictures)
{
    public const string OpenApi = "/api/v1/openapi.json";

    // Scripts, styles and pictures of this server only; nothing inline.
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; "
        + "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly string[] s_methods = [HttpMethods.Get, HttpMethods.Head];

    public void Map(WebApplication app)
    {
        foreach (var (path, type, content) in PageFiles.All)
            app.MapMethods(path, s_methods, context => WriteAsync(context, type, content))
                .WithMetadata(new GuardRule(IsOpen: true, Policy));
        Serve(OpenApi, context => WriteAsync(context, "application/json", PageFiles.Schema("openapi.json")));
        Serve("/api/v1/status", context => WriteAsync(context, answers.Status()));
        Serve("/api/v1/cameras", context => WriteAsync(context, answers.Cameras()));
        Serve("/api/v1/config", context => WriteAsync(context, answers.Config()));
        Serve("/api/v1/log", context => WriteAsync(context, answers.Log()));
        Serve("/api/v1/tracks", context => OfCameraAsync(context, answers.Tracks));
        Serve("/api/v1/events", context => OfCameraAsync(context, answers.Events));
        // A response without an end has none to HEAD either.
        app.MapGet("/api/v1/live", live.FeedAsync);
        if (!config.Options.Http.Images) return;
        Serve("/api/v1/cameras/{camera}/frames/{frame:long}.jpg", FrameAsync);
        app.MapGet("/api/v1/cameras/{camera}/snapshot.jpg", pictures.SnapshotAsync);
        app.MapGet("/api/v1/cameras/{camera}/live.mjpg", pictures.StreamAsync);

        void Serve(string path, RequestDelegate answer) => app.MapMethods(path, s_methods, answer);
    }

    private Task OfCameraAsync<T>(HttpContext context, Func<string, T> answer)
    {
        var camera = context.Request.Query["camera"].ToString();
        return config.Options.Cameras.ContainsKey(camera)
            ? WriteAsync(context, answer(camera))
            : Refusal.UnknownCameraAsync(context);
    }

    private Task FrameAsync(HttpContext context)
    {
        var values = context.Request.RouteValues;
        var camera = (string)values["camera"]!;
        var number = Convert.ToInt64(values["frame"], CultureInfo.InvariantCulture);
        return view.Find(camera)?.Find(number) is { } picture
            ? WriteAsync(context, "image/jpeg", picture.Jpeg)
            : Refusal.WriteAsync(context, StatusCodes.Status404NotFound, "There is no picture of this frame any more.");
    }

    private static Task WriteAsync<T>(HttpContext context, T answer) =>
        WriteAsync(context, "application/json", LiveJson.Write(answer));

    private static Task WriteAsync(HttpContext context, string type, byte[] content)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = content.Length;
        return context.Response.Body.WriteAsync(content, context.RequestAborted).AsTask();
    }
}
