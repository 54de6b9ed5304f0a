namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Milliseconds a frame spent in each stage; null where it has not been.</summary>
public sealed record StageLatency(
    double? Queue = null, double? Segment = null, double? Track = null, double? Refine = null);
