using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>Frames in, segmented frames out, in order. One per camera.</summary>
/// <param name="maxAge">Age at which a live frame is dropped when its turn comes; null: none is.</param>
public sealed class SegmentStage(CameraSegmenter segmenter, CameraMetrics metrics, TimeProvider time, TimeSpan? maxAge)
{
    public async IAsyncEnumerable<SegmentedFrame> RunAsync(IAsyncEnumerable<Frame> input)
    {
        await foreach (var frame in input)
        {
            SegmentedFrame segmented;
            using (frame)
            {
                if (maxAge is { } limit && time.GetElapsedTime(frame.Info.ReceivedTicks) > limit)
                {
                    metrics.FrameDropped("segment", "stale");
                    continue;
                }

                segmented = await segmenter.SegmentAsync(frame);
            }

            yield return segmented;
        }
    }
}
