using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Zones;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>Zone of a camera.</summary>
/// <param name="Polygon">Corners [x, y] as shares of the frame; empty while they are in pixels of a frame whose size is
/// not known.</param>
/// <param name="Labels">Classes that count; empty: all.</param>
/// <param name="Count">Tracks inside by the last provisional result; 0 for a camera that is offline.</param>
internal sealed record ZoneView(string Name, double[][] Polygon, string[] Labels, int Count)
{
    public static ZoneView[] Of(CameraBoard board, FrameInfo? frame)
    {
        var inside = board.State is CameraState.Offline or CameraState.Disabled ? [] : board.Inside;
        return
        [
            .. board.Zones.Select(z => new ZoneView(
                z.Key, Shares(z.Value.Polygon, frame), z.Value.Labels,
                inside.FirstOrDefault(c => c.Zone == z.Key).Tracks)),
        ];
    }

    public static double[][] Shares(double[][] points, FrameInfo? frame)
    {
        if (!ZonePlan.InPixels(points)) return points;
        return frame is null ? []
            : [.. points.Select(p => (double[])[Share(p[0], frame.Width), Share(p[1], frame.Height)])];

        static double Share(double pixels, int size) => Math.Round(pixels / size, 4);
    }
}

/// <summary>Line of a camera.</summary>
/// <param name="Points">Both ends, as <see cref="ZoneView.Polygon"/>.</param>
/// <param name="Labels">Classes that count; empty: all.</param>
internal sealed record LineView(string Name, double[][] Points, string[] Labels)
{
    public static LineView[] Of(CameraBoard board, FrameInfo? frame) =>
    [
        .. board.Lines.Select(l => new LineView(l.Key, ZoneView.Shares(l.Value.Points, frame), l.Value.Labels)),
    ];
}
