namespace Dvis.Streaming.Pipeline.Results;

/// <summary>States of a track.</summary>
public enum TrackState { Tentative, Active, Lost, Ended }

/// <summary>One track in one frame.</summary>
/// <param name="Number">Unique in its epoch, never reused; the id on the wire is <c>{epoch}-{number}</c>.</param>
/// <param name="Score">0 … 1.</param>
/// <param name="AreaPx">Source pixels.</param>
/// <param name="Mask">Null while lost, or when masks are not wanted.</param>
public sealed record TrackObservation(
    long Number, int ClassId, float Score, TrackState State, int AgeFrames,
    Box Box, double AreaPx, float CentroidX, float CentroidY, bool Truncated, RunLengthMask? Mask, Contour? Contour);
