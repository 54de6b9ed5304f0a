using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Online result of one frame; a later <see cref="FinalResult"/> supersedes it.</summary>
/// <param name="FinalThroughFrame">Last frame id already covered by a final result, -1 when none.</param>
/// <param name="DroppedSinceLast">Frames of this camera dropped between the previous result and this one.</param>
public sealed record ProvisionalResult(
    FrameInfo Frame, string Epoch, ImmutableArray<TrackObservation> Tracks,
    long FinalThroughFrame, long DroppedSinceLast, StageLatency Latency) : PipelineMessage(Frame.Camera)
{
    /// <summary>Null with task <c>vis</c>.</summary>
    public Scene? Scene { get; init; }

    /// <summary>Tracks inside each zone of the camera; empty without zones.</summary>
    public ImmutableArray<ZoneCount> Zones { get; init; } = [];

    public override bool IsDurable => false;
}

/// <summary>
/// Milliseconds of work on a frame in each stage; null where it has not been. The rest of its age it has waited.
/// </summary>
public sealed record StageLatency(double? Segment = null, double? Track = null, double? Refine = null)
{
    public double Sum => (Segment ?? 0) + (Track ?? 0) + (Refine ?? 0);
}
