using Dvis.Streaming.Pipeline.Publishing;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests;

[Collection(nameof(Alone))]
public sealed class StreamPipelineAllocationTests(ITestOutputHelper output)
{
    // Two tracks a frame, each with a provisional and a final mask; nearly all of it is the messages themselves.
    private const long BudgetBytes = 5000;
    private const int WarmUp = 300, Frames = 400;

    [Fact]
    public async Task RunAsync_SteadyState_StaysInTheBudget()
    {
        await using var rig = new PipelineRig(new FakeDvis().Models(), measures: false);
        long before = 0, native = 0;
        var source = new PaintedSource(rig.Frames, rig.Camera.Time, WarmUp + Frames, (_, item) => item < 2)
        {
            Before = (i, _) =>
            {
                if (i == WarmUp) (before, native) = (GC.GetTotalAllocatedBytes(precise: true), rig.Frames.Allocations + rig.Camera.Tensors.Allocations);
                return ValueTask.CompletedTask;
            },
        };

        await rig.RunAsync(source, new CountingPublisher());

        var each = (GC.GetTotalAllocatedBytes(precise: true) - before) / Frames;
        output.WriteLine($"{each} managed bytes a frame");
        Assert.InRange(each, 1, BudgetBytes);
        Assert.InRange(rig.Frames.Allocations + rig.Camera.Tensors.Allocations - native, 0, 12); // pools may still meet a deeper queue than before
    }

    private sealed class CountingPublisher : IPublisher
    {
        private long _messages;

        public ValueTask PublishAsync(PipelineMessage message)
        {
            Interlocked.Increment(ref _messages);
            return ValueTask.CompletedTask;
        }
    }
}
