using Dvis.Streaming.Hosting.Pictures;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>Frame that viewers are shown, with its provisional tracks.</summary>
/// <param name="Arrived"><see cref="TimeProvider.GetTimestamp"/> at the arrival of the result.</param>
/// <param name="Picture">Null without pictures.</param>
internal sealed record ShownFrame(
    ProvisionalResult Result, long Arrived, Picture? Picture, TrackView[] Tracks, byte[] Json)
{
    private readonly Lazy<Picture> _overlay = new(() => PictureOverlay.Draw(
        Picture!, Tracks.Select(t => new Outline(t.Color, t.Polygons, t.Box)), Result.Frame.Width));

    public string Camera => Result.Camera;

    public long Number => Result.Frame.FrameId;

    /// <summary>The picture with outlines, drawn once for all viewers.</summary>
    public Picture Overlay => _overlay.Value;
}

/// <summary>Data of the event <c>frame</c>, without the count of missed frames, which each viewer has of its own.
/// </summary>
/// <param name="Captured">UTC.</param>
/// <param name="Picture">Path; null without pictures.</param>
/// <param name="AgeMs">From the capture, or the receipt where that is unknown, to the result.</param>
internal sealed record FrameDocument(
    string Camera, long Frame, string Epoch, DateTime Captured, int Width, int Height, string? Picture, double AgeMs,
    OnlineLatency Latency, TrackView[] Tracks);

/// <summary>Milliseconds of a frame in the queues and in each stage.</summary>
internal sealed record OnlineLatency(double Queue, double? Segment, double? Track);
