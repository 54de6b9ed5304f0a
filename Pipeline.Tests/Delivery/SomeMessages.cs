using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Delivery;

/// <summary>Numbered messages: frame id or sequence is the number.</summary>
internal static class SomeMessages
{
    public static PipelineMessage Lossy(long number) =>
        new ProvisionalResult(Some.FrameInfo(8, 8, number), "E", [], -1, 0, new StageLatency());

    public static PipelineMessage Durable(long number)
        => new LifecycleEvent("cam", "E", number, EventKind.TrackStarted, Some.Now, 1, 0, 0.5f, null, null, null);

    public static long Number(PipelineMessage message) =>
        message is LifecycleEvent e ? e.Sequence : ((ProvisionalResult)message).Frame.FrameId;
}
