using Microsoft.AspNetCore.Http;

namespace Dvis.Streaming.Hosting.Page;

/// <summary>Answers to requests that cannot be served: a status code and a sentence.</summary>
internal static class Refusal
{
    public static Task WriteAsync(HttpContext context, int status, string sentence)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(sentence, context.RequestAborted);
    }

    public static Task UnknownCameraAsync(HttpContext context) =>
        WriteAsync(context, StatusCodes.Status404NotFound, "There is no camera of this name.");

    public static Task TooManyViewersAsync(HttpContext context) => WriteAsync(
        context, StatusCodes.Status503ServiceUnavailable, "Too many viewers; close one and try again.");
}
