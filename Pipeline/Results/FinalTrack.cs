using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>A track in one frame of a final window;
/// not visible where <paramref name="Visible"/> is false (then box and mask are void).</summary>
public sealed record FinalObservation(long FrameId, float Score, bool Visible, Box Box, double AreaPx,
    RunLengthMask? Mask, Contour? Contour);

/// <summary>A track over a final window.</summary>
/// <param name="ProvisionalClassId">What the provisional results said at last,
/// when it differs from <paramref name="ClassId"/>; else null.</param>
public sealed record FinalTrack(long Number, int ClassId, float Score, int? ProvisionalClassId,
    ImmutableArray<FinalObservation> Frames);
