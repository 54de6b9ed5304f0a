using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Zones;

/// <summary>A track in one frame: its anchor is the middle of the lower edge of its box, in source pixels.</summary>
public readonly record struct ZoneObservation(long Track, int ClassId, float Score, PlanePoint Anchor)
{
    public static ZoneObservation Of(long track, int classId, float score, Box box) =>
        new(track, classId, score, new(box.X + (box.Width / 2.0), box.Y + box.Height));
}

/// <summary>A change that a <see cref="ZoneMachine"/> decided.</summary>
/// <param name="Shape">Index in the plan.</param>
/// <param name="Frame">Frame at which it happened: the first observation on the new side.</param>
public sealed record ZoneChange(
    int Shape, EventKind Kind, ZoneObservation Track, FrameInfo Frame, double? DwellSeconds, LineDirection? Direction,
    string? Reason);
