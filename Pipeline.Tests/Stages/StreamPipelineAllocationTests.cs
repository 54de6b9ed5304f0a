using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

[Collection(nameof(Alone))]
public sealed class StreamPipelineAllocationTests(ITestOutputHelper output)
{
    // Two tracks a frame, each with a provisional and a final mask; nearly all of it is the messages themselves.
    private const long BudgetBytes = 5000;
    private const int WarmUp = 300, Frames = 400;
    private const int Deepest = 25; // frames that are asked for while the refiner stands still

    [Fact]
    public async Task RunAsync_SteadyState_StaysInTheBudget()
    {
        // At first the refiner waits until no more frames are asked for:
        // the pools have then met the deepest queues there can be.
        var (fake, waited) = (new FakeDvis(), false);
        using var full = new ManualResetEventSlim();
        var refiner = new FakeModel("refiner", (inputs, outputs) =>
        {
            if (!waited)
            {
                waited = true;
                full.Wait(TimeSpan.FromSeconds(2));
            }

            fake.Refiner.Run(inputs, outputs);
        });
        await using var rig = new PipelineRig(FakeDvis.Graphs(FakeDvis.Manifest, fake.Segmenter, fake.Tracker,
            fake.FrameForward, refiner), measures: false);
        long before = 0, native = 0;
        var source = new PaintedSource(rig.Frames, rig.Camera.Time, WarmUp + Frames, (_, item) => item < 2)
        {
            Before = (i, _) =>
            {
                if (i == Deepest) full.Set();
                if (i == WarmUp)
                    (before, native) = (GC.GetTotalAllocatedBytes(precise: true), rig.Frames.Allocations
                        + rig.Camera.Tensors.Allocations);
                return ValueTask.CompletedTask;
            },
        };

        await rig.RunAsync(source, new CountingPublisher());

        var each = (GC.GetTotalAllocatedBytes(precise: true) - before) / Frames;
        output.WriteLine($"{each} managed bytes a frame");
        Assert.InRange(each, 1, BudgetBytes);
        // pools may still meet a deeper queue than before
        Assert.InRange(rig.Frames.Allocations + rig.Camera.Tensors.Allocations - native, 0, 12);
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
