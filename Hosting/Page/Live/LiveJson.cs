using System.Text.Json;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>JSON of the page: snake case, pixels and milliseconds with one decimal, times in UTC.</summary>
internal static class LiveJson
{
    public static JsonSerializerOptions Options { get; } =
        new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static byte[] Write<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, Options);

    /// <summary>x, y, width, height.</summary>
    public static double[] Box(Box box) =>
        [Tenths(box.X), Tenths(box.Y), Tenths(box.Width), Tenths(box.Height)];

    public static double Tenths(double value) => Math.Round(value, 1);

    public static double Score(float score) => Math.Round(score, 3);

    public static double Milliseconds(TimeSpan time) => Tenths(time.TotalMilliseconds);
}
