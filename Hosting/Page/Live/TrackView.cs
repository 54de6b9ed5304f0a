using Dvis.Streaming.Hosting.Pictures;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>Track in a frame, as the page shows it.</summary>
/// <param name="Color"><c>#rrggbb</c>, the same for the life of the track.</param>
/// <param name="Box">x, y, width, height in source pixels; null when it is out of sight.</param>
/// <param name="Polygons">Boundaries of the mask's parts and holes (even-odd rule) in source pixels: x0,y0,x1,y1,…
/// </param>
internal record TrackView(
    string Id, long Number, int ClassId, string Label, string Color, double Score, string State, double[]? Box,
    double[][] Polygons);

/// <summary>Track in a frame after its revision.</summary>
internal sealed record RevisedTrackView : TrackView
{
    public RevisedTrackView(TrackView track, string? change, string? was, double? iou)
        : base(track) => (Change, Was, Iou) = (change, was, iou);

    /// <summary><c>new</c>, <c>class</c> or <c>mask</c>; null: as it was shown before.</summary>
    public string? Change { get; }

    /// <summary>Label before; null when it is the same.</summary>
    public string? Was { get; }

    /// <summary>Intersection over union of the mask with the one before, 0 … 1; null without one of them.</summary>
    public double? Iou { get; }
}

/// <summary>All of one class in a frame, of a panoptic or semantic model.</summary>
/// <param name="Color"><c>#rrggbb</c>, that of the class.</param>
/// <param name="Polygons">As in <see cref="TrackView"/>.</param>
internal sealed record RegionView(int ClassId, string Label, string Color, double Score, double[][] Polygons);

/// <summary>Maker of <see cref="TrackView"/> of one camera. Buffers are reused; not thread-safe.</summary>
internal sealed class TrackViews
{
    private readonly ContourTracer _tracer = new();

    public TrackView Of(
        ModelManifest model, string epoch, long number, int classId, float score, TrackState state, Box box,
        RunLengthMask? mask, (int Width, int Height) frame) => new(
        TrackIds.Of(epoch, number), number, classId, model.Classes[classId].Name, TrackColor.Of(epoch, number),
        LiveJson.Score(score), EnumName.Of(state), mask is null ? null : LiveJson.Box(box),
        mask is null ? [] : Polygons(mask, frame));

    public RegionView Of(
        ModelManifest model, int classId, float score, RunLengthMask mask, (int Width, int Height) frame) => new(
        classId, model.Classes[classId].Name, model.Classes[classId].Color, LiveJson.Score(score),
        Polygons(mask, frame));

    private double[][] Polygons(RunLengthMask mask, (int Width, int Height) frame) =>
    [
        .. _tracer.TraceRings(mask, Cell(mask, frame), frame.Width, frame.Height)
            .Select(ring => ring.Points.Select(p => LiveJson.Tenths(p)).ToArray()),
    ];

    /// <summary>Source pixels per cell of a mask.</summary>
    private static int Cell(RunLengthMask mask, (int Width, int Height) frame)
    {
        var cell = 1;
        while ((frame.Width + cell - 1) / cell > mask.Width
            || (frame.Height + cell - 1) / cell > mask.Height) cell *= 2;
        return cell;
    }
}
