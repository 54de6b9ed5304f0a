using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Segmentation;

/// <summary>Counts the allocations of the whole process, so nothing else may run beside it.</summary>
[Collection(nameof(Alone))]
public sealed class SegmenterAllocationTests
{
    /// <summary>Bytes a frame: four tensor handles, the result, and nothing for the wait.
    /// No term grows with pixels or queries.</summary>
    private const long Budget = 512;

    [Fact]
    public async Task SegmentAsync_SteadyState_StaysInBudget()
    {
        using var model = TinyDvis.Load(TinyDvis.Segmenter());
        using var temp = new TempFolder();
        using var frames = new FramePool();
        using var tensors = new TensorPool();
        using var metrics = new TestMetrics(record: false);
        await using var shared = new SegmenterBatcher(model, ModelFolder.Open(TinyDvis.Write(temp.Root)).Manifest,
            new BatchOptions(), tensors, metrics.Metrics, TimeProvider.System);
        using var sut = shared.Open();
        using var frame = Some.Frame(frames, 320, 240);
        await RunAsync(50);
        var native = tensors.Allocations;

        // The least of several rounds: the runtime's own timers and tiering allocate now and then.
        var least = long.MaxValue;
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            await RunAsync(50);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / 50);
        }

        Assert.InRange(least, 1, Budget);
        Assert.Equal(native, tensors.Allocations);
        Assert.Equal(0, tensors.Outstanding);

        async Task RunAsync(int count)
        {
            for (var i = 0; i < count; i++) (await sut.SegmentAsync(frame)).Dispose();
        }
    }
}
