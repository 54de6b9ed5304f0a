using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.PostProcessing;

/// <summary>What a model says of a whole video, in the pixels of its frames.
/// One of the three below, by the model's task.</summary>
public abstract record VideoResult(int Width, int Height);

/// <summary>Instances (VIS), best first; one query may stand there several times, with different classes.</summary>
public sealed record InstanceResult(int Width, int Height, IReadOnlyList<InstanceTube> Tubes)
    : VideoResult(Width, Height);

/// <param name="Query">Slot of the tracker.</param>
/// <param name="ClassId">Column of the logits.</param>
/// <param name="Score">0 … 1.</param>
/// <param name="Masks">One a frame, empty ones included.</param>
public sealed record InstanceTube(int Query, int ClassId, float Score, IReadOnlyList<RunLengthMask> Masks);

/// <summary>Panoptic segments (VPS).</summary>
/// <param name="Frames">Values are segment ids, 0 for void.</param>
public sealed record PanopticResult(int Width, int Height, IReadOnlyList<PredictedSegment> Segments,
    IReadOnlyList<ValueRuns> Frames) : VideoResult(Width, Height);

/// <param name="Id">1, 2, 3, …</param>
/// <param name="Query">Slot of the tracker; of several that show one stuff class, the first.</param>
/// <param name="ClassId">Column of the logits.</param>
public sealed record PredictedSegment(int Id, int Query, int ClassId, bool IsThing);

/// <summary>Semantic classes (VSS).</summary>
/// <param name="Frames">Values are columns of the logits.</param>
public sealed record SemanticResult(int Width, int Height, IReadOnlyList<ValueRuns> Frames)
    : VideoResult(Width, Height);
