using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Frames;

public sealed class FramePoolTests
{
    [Fact]
    public void Rent_ThenDisposeTwice_CountsOnce()
    {
        using var pool = new FramePool();
        var first = Some.Frame(pool, 8, 4);
        var second = Some.Frame(pool, 8, 4);
        Assert.Equal(2, pool.Outstanding);

        first.Dispose();
        first.Dispose();

        Assert.Equal(1, pool.Outstanding);
        second.Dispose();
        Assert.Equal(0, pool.Outstanding);
    }

    [Fact]
    public void Pixels_AfterDispose_Throws()
    {
        using var pool = new FramePool();
        var frame = Some.Frame(pool, 8, 4);
        Assert.Equal(8 * 4 * 3, frame.Pixels.Length);

        frame.Dispose();

        Assert.Throws<ObjectDisposedException>(() => frame.Pixels.Length);
    }

    [Fact]
    public void Rent_InSteadyState_AllocatesNothingNew()
    {
        using var pool = new FramePool();
        for (var i = 0; i < 100; i++)
            using (Some.Frame(pool, 64, 48, i))
            using (Some.Frame(pool, 32, 24, i)) { }

        Assert.Equal(2, pool.Allocations);
        Assert.Equal(64 * 48 * 3 + 32 * 24 * 3, pool.AllocatedBytes);
    }

    [Fact]
    public void Dispose_WithAFrameOut_FreesItWhenItsOwnerDoes()
    {
        var pool = new FramePool();
        var frame = Some.Frame(pool, 8, 4);
        Some.Frame(pool, 8, 4).Dispose();

        pool.Dispose();
        Assert.Equal(8 * 4 * 3, pool.AllocatedBytes);
        frame.Dispose();

        Assert.Equal(0, pool.AllocatedBytes);
        Assert.Equal(0, pool.Outstanding);
    }

    [Fact]
    public void Return_FramesOfEverySize_KeepsNoMoreThanTheLimit()
    {
        using var pool = new FramePool(keepBytes: 10_000);
        for (var width = 1; width <= 1000; width++) Some.Frame(pool, width, 2).Dispose();

        Assert.InRange(pool.AllocatedBytes, 1000 * 2 * 3, 10_000);
        Some.Frame(pool, 1000, 2).Dispose();
        Assert.Equal(1000, pool.Allocations);
    }

    [Theory]
    [InlineData(0, 4)]
    [InlineData(4, 0)]
    [InlineData(16385, 4)]
    [InlineData(4, 16385)]
    public void Rent_SideOutOfRange_Throws(int width, int height)
    {
        using var pool = new FramePool();

        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Rent(width, height, Some.FrameInfo(width, height)));
        Assert.Equal(0, pool.Outstanding);
    }

    [Fact]
    public async Task Rent_FromManyThreads_NeverGivesOneBufferTwice()
    {
        using var pool = new FramePool();

        await Task.WhenAll(Enumerable.Range(1, 4).Select(id => Task.Run(() =>
        {
            for (var i = 0; i < 500; i++)
            {
                using var frame = pool.Rent(16, 16, Some.FrameInfo(16, 16));
                frame.Pixels.Fill((byte)id);
                Assert.False(frame.Pixels.ContainsAnyExcept((byte)id));
            }
        })));

        Assert.Equal(0, pool.Outstanding);
    }
}
