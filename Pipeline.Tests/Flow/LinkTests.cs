using System.Threading.Channels;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Flow;

public sealed class LinkTests
{
    private readonly CountedItem.Ledger _ledger = new();

    [Theory]
    [InlineData(BoundedChannelFullMode.DropOldest, new[] { 3, 4 }, new[] { 0, 1, 2 })]
    [InlineData(BoundedChannelFullMode.DropNewest, new[] { 0, 4 }, new[] { 1, 2, 3 })]
    [InlineData(BoundedChannelFullMode.DropWrite, new[] { 0, 1 }, new[] { 2, 3, 4 })]
    public async Task WriteAsync_FullInADropMode_DisposesAndReportsTheVictims(BoundedChannelFullMode mode, int[] kept,
        int[] victims)
    {
        var dropped = new List<int>();
        var link = new Link<CountedItem>(2, mode, item =>
        {
            Assert.True(item.IsDisposed);
            dropped.Add(item.Number);
        });

        for (var i = 0; i < 5; i++) await link.WriteAsync(_ledger.New(i));
        link.Complete();

        Assert.Equal(kept, await ReadAsync(link));
        Assert.Equal(victims, dropped);
        Assert.Equal(0, _ledger.Alive);
    }

    [Fact]
    public async Task WriteAsync_FullInWaitMode_WaitsForTheReader()
    {
        var link = new Link<CountedItem>(1, BoundedChannelFullMode.Wait, _ => Assert.Fail("nothing is dropped"));
        await link.WriteAsync(_ledger.New(0));
        var second = link.WriteAsync(_ledger.New(1)).AsTask();
        Assert.False(second.IsCompleted);
        Assert.Equal(1, link.Count);

        var reading = ReadAsync(link);
        await second;
        link.Complete();

        Assert.Equal([0, 1], await reading);
        Assert.Equal(0, _ledger.Alive);
    }

    [Theory]
    [InlineData(BoundedChannelFullMode.Wait)]
    [InlineData(BoundedChannelFullMode.DropOldest)]
    [InlineData(BoundedChannelFullMode.DropNewest)]
    [InlineData(BoundedChannelFullMode.DropWrite)]
    public async Task WriteAsync_AfterClose_DisposesTheItemAndThrows(BoundedChannelFullMode mode)
    {
        var link = new Link<CountedItem>(2, mode);
        await link.WriteAsync(_ledger.New(0));
        link.Close();

        await Assert.ThrowsAsync<ChannelClosedException>(async () => await link.WriteAsync(_ledger.New(1)));

        Assert.Equal(0, link.Count);
        Assert.Equal(0, _ledger.Alive);
    }

    [Fact]
    public async Task Close_WhileAWriterWaits_FailsTheWriterAndDisposesAll()
    {
        var link = new Link<CountedItem>(1, BoundedChannelFullMode.Wait);
        await link.WriteAsync(_ledger.New(0));
        var waiting = link.WriteAsync(_ledger.New(1)).AsTask();

        link.Close();

        await Assert.ThrowsAsync<ChannelClosedException>(() => waiting);
        Assert.Equal(0, _ledger.Alive);
    }

    [Fact]
    public async Task Complete_WithItemsInside_LetsThemBeRead()
    {
        var link = new Link<CountedItem>(4, BoundedChannelFullMode.Wait);
        for (var i = 0; i < 3; i++) await link.WriteAsync(_ledger.New(i));
        link.Complete();
        link.Complete();

        Assert.Equal([0, 1, 2], await ReadAsync(link));
        Assert.Equal(4, link.Capacity);
    }

    private static async Task<List<int>> ReadAsync(Link<CountedItem> link)
    {
        var numbers = new List<int>();
        await foreach (var item in link.ReadAllAsync())
        {
            using (item) numbers.Add(item.Number);
        }

        return numbers;
    }
}
