using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>Frames in, segmented frames out, in order; a live frame that is too old when its turn comes is dropped. One per camera.</summary>
public sealed class SegmentStage(CameraContext camera, CameraSegmenter segmenter, TimeSpan? maxAge)
{
    public async IAsyncEnumerable<SegmentedFrame> RunAsync(IAsyncEnumerable<Frame> input)
    {
        await foreach (var frame in input)
        {
            SegmentedFrame segmented;
            using (frame)
            {
                if (maxAge is { } limit && camera.Time.GetElapsedTime(frame.Info.ReceivedTicks) > limit)
                {
                    camera.Metrics.FrameDropped("segment", "stale");
                    continue;
                }

                segmented = await segmenter.SegmentAsync(frame);
            }

            yield return segmented;
        }
    }
}
