using System.Threading.Channels;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Flow;

public sealed class StageTests
{
    private readonly CountedItem.Ledger _ledger = new();

    [Fact]
    public async Task WhenAllAsync_SourceEnds_EverythingArrivesInOrder()
    {
        var arrived = await RunAsync(items: 50, failAt: -1);

        Assert.Equal(Enumerable.Range(0, 50), arrived);
        Assert.Equal(0, _ledger.Alive);
    }

    [Fact]
    public async Task WhenAllAsync_MiddleStepFails_StopsTheSourceDrainsAndThrowsTheCauseOnce()
    {
        var arrived = new List<int>();

        var cause =
            await Assert.ThrowsAsync<InvalidDataException>(() => RunAsync(items: int.MaxValue, failAt: 7, arrived));

        Assert.Equal("item 7", cause.Message);
        Assert.Equal(Enumerable.Range(0, 7), arrived); // what was before the failure is still delivered
        Assert.Equal(0, _ledger.Alive);
    }

    [Fact]
    public async Task WhenAllAsync_LastStepFails_StopsAllBefore()
    {
        using var source = new CancellationTokenSource();
        var (a, b) = (Link(), Link());

        var all = StageLoop.WhenAllAsync(
            source,
            ProduceAsync(a, int.MaxValue, source.Token),
            StageLoop.RunAsync(a, PassAsync, b),
            StageLoop.RunAsync(b, async input =>
            {
                await foreach (var item in input)
                    using (item)
                        if (item.Number == 3) throw new InvalidDataException("the end");
            }));

        await Assert.ThrowsAsync<InvalidDataException>(() => all);
        Assert.Equal(0, _ledger.Alive);
    }

    [Fact]
    public async Task WhenAllAsync_AStageIsCancelledFromWithin_StopsTheSource()
    {
        using var source = new CancellationTokenSource();
        var waiting = Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, source.Token)
            .ContinueWith(_ => { }, TaskScheduler.Default);

        await Assert.ThrowsAsync<OperationCanceledException>(() =>
            StageLoop.WhenAllAsync(source, waiting, Task.FromException(new OperationCanceledException())));

        Assert.True(source.IsCancellationRequested);
    }

    private async Task<List<int>> RunAsync(int items, int failAt, List<int>? arrived = null)
    {
        arrived ??= [];
        using var source = new CancellationTokenSource();
        var (a, b, c) = (Link(), Link(), Link());
        await StageLoop.WhenAllAsync(
            source,
            ProduceAsync(a, items, source.Token),
            StageLoop.RunAsync(a, PassAsync, b),
            StageLoop.RunAsync(b, input => FailAsync(input, failAt), c),
            StageLoop.RunAsync(c, async input =>
            {
                await foreach (var item in input)
                    using (item) arrived.Add(item.Number);
            }));
        return arrived;
    }

    private static Link<CountedItem> Link() => new(2, BoundedChannelFullMode.Wait);

    private async Task ProduceAsync(Link<CountedItem> output, int items, CancellationToken stop)
    {
        try
        {
            for (var i = 0; i < items && !stop.IsCancellationRequested; i++)
            {
                await output.WriteAsync(_ledger.New(i));
                await Task.Yield();
            }
        }
        catch (ChannelClosedException)
        {
        }
        finally
        {
            output.Complete();
        }
    }

    private static async IAsyncEnumerable<CountedItem> PassAsync(IAsyncEnumerable<CountedItem> input)
    {
        await foreach (var item in input) yield return item;
    }

    private static async IAsyncEnumerable<CountedItem> FailAsync(IAsyncEnumerable<CountedItem> input, int failAt)
    {
        await foreach (var item in input)
        {
            if (item.Number == failAt)
            {
                item.Dispose();
                throw new InvalidDataException($"item {failAt}");
            }

            yield return item;
        }
    }
}
