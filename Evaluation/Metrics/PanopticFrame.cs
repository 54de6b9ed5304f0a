namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>One segment of a panoptic frame.</summary>
/// <param name="Id">Its number in the map, the same in all frames of a video; 1 … 2^24-1.</param>
/// <param name="Area">Pixels as the truth states them; null to count them in the map.</param>
public sealed record PanopticSegment(int Id, int CategoryId, bool IsCrowd = false, long? Area = null);

/// <summary>A panoptic segmentation of one frame.</summary>
/// <param name="Ids">Row-major, [Height,Width]: the segment of each pixel, 0 for none.</param>
/// <param name="Segments">What the ids mean; of a prediction exactly those that the map shows.</param>
public sealed record PanopticFrame(int Width, int Height, int[] Ids, IReadOnlyList<PanopticSegment> Segments);
