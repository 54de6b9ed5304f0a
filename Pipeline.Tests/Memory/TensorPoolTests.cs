using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Tests.Memory;

public sealed class TensorPoolTests
{
    [Fact]
    public void Rent_AfterReturn_ReusesTheMemory()
    {
        using var sut = new TensorPool();
        sut.Rent(2, 3).Dispose();
        using var again = sut.Rent(3, 2);
        Assert.Equal([3, 2], again.Shape);
        Assert.Equal((1, 1), (sut.Allocations, sut.Outstanding));
        Assert.Equal(24, sut.AllocatedBytes);
    }

    [Fact]
    public void Dispose_RentedTensorTwice_ReturnsItOnce()
    {
        using var sut = new TensorPool();
        var tensor = sut.Rent(4);
        tensor.Dispose();
        tensor.Dispose();
        using Tensor a = sut.Rent(4), b = sut.Rent(4);
        Assert.NotEqual(a.Data, b.Data);
        Assert.Equal(2, sut.Outstanding);
    }

    [Fact]
    public void Return_BeyondTheLimit_FreesTheSizeNotAskedForLongest()
    {
        using var sut = new TensorPool(keepBytes: 100);
        Tensor old = sut.Rent(10), present = sut.Rent(20);
        old.Dispose();
        Assert.Equal(120, sut.AllocatedBytes);
        present.Dispose();
        Assert.Equal(80, sut.AllocatedBytes);
        sut.Rent(20).Dispose();
        Assert.Equal(2, sut.Allocations);
    }

    [Fact]
    public void Return_LargerThanTheLimit_IsFreedAtOnce()
    {
        using var sut = new TensorPool(keepBytes: 100);
        sut.Rent(1000).Dispose();
        Assert.Equal(0, sut.AllocatedBytes);
    }

    [Fact]
    public void Dispose_TensorStillOut_IsFreedByItsOwner()
    {
        var sut = new TensorPool();
        var tensor = sut.Rent(5);
        sut.Dispose();
        tensor.Span.Fill(1);
        tensor.Dispose();
        Assert.Equal((0, 0), (sut.AllocatedBytes, sut.Outstanding));
    }
}
