namespace Dvis.Streaming.Pipeline.Results;

/// <summary>All of one class in one frame.</summary>
/// <param name="Score">0 … 1, the best of its queries; 0 with task <c>vss</c>, which has no score.</param>
public sealed record Region(
    int ClassId, float Score, Box Box, double AreaPx, float CentroidX, float CentroidY, bool Truncated,
    RunLengthMask Mask);
