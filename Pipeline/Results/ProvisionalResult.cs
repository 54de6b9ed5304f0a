using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>The online answer for one frame; a later <see cref="FinalResult"/> supersedes it.</summary>
/// <param name="FinalThroughFrame">Last frame id already covered by a final result, -1 when none.</param>
/// <param name="DroppedSinceLast">Frames of this camera that were dropped between the previous result and this.</param>
public sealed record ProvisionalResult(
    FrameInfo Frame, string Epoch, ImmutableArray<TrackObservation> Tracks,
    long FinalThroughFrame, long DroppedSinceLast, StageLatency Latency) : PipelineMessage(Frame.Camera)
{
    /// <summary>What is in the frame beside the tracks; null with task <c>vis</c>.</summary>
    public Scene? Scene { get; init; }

    public override bool IsDurable => false;
}
