using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Results;
using static Dvis.Streaming.Pipeline.Tests.Delivery.SomeMessages;

namespace Dvis.Streaming.Pipeline.Tests.Delivery;

public sealed class SinkQueueTests
{
    private readonly List<long> _shed = [];

    [Fact]
    public async Task WriteAsync_Full_ShedsTheOldestTelemetryFirst()
    {
        using var queue = Queue(3);

        foreach (var message in new[] { Durable(1), Lossy(2), Lossy(3), Durable(4), Durable(5), Lossy(6) })
            await queue.WriteAsync(message);
        queue.Complete();

        Assert.Equal([2, 3, 6], _shed);
        Assert.Equal([1, 4, 5], await DrainAsync(queue));
    }

    [Fact]
    public async Task WriteAsync_FullOfDurable_ShedsTheOldestOfThem()
    {
        using var queue = Queue(2);

        for (var i = 1; i <= 4; i++) await queue.WriteAsync(Durable(i));
        queue.Complete();

        Assert.Equal([1, 2], _shed);
        Assert.Equal([3, 4], await DrainAsync(queue));
    }

    [Fact]
    public async Task WriteAsync_Full_NeverShedsWhichCamerasThereAre()
    {
        using var queue = Queue(1);
        var (first, second) = (new CamerasChanged([], "1"), new CamerasChanged([], "2"));

        foreach (var message in new[] { first, second, Durable(1), Durable(2) }) await queue.WriteAsync(message);
        queue.Complete();

        Assert.Equal([1, 2], _shed);
        Assert.Same(first, await queue.ReadAsync());
        Assert.Same(second, await queue.ReadAsync());
        Assert.Null(await queue.ReadAsync());
    }

    [Fact]
    public async Task ReadAsync_Empty_WaitsForTheNextMessage()
    {
        using var queue = Queue(2);
        var reading = queue.ReadAsync().AsTask();
        Assert.False(reading.IsCompleted);

        await queue.WriteAsync(Lossy(1));

        Assert.Equal(1, Number((await reading)!));
    }

    [Fact]
    public async Task WriteAsync_LosslessAndFull_WaitsForTheReader()
    {
        using var queue = Queue(1, lossless: true);
        await queue.WriteAsync(Lossy(1));
        var waiting = queue.WriteAsync(Lossy(2)).AsTask();
        Assert.False(waiting.IsCompleted);

        Assert.Equal(1, Number((await queue.ReadAsync())!));
        await waiting;
        queue.Complete();

        Assert.Equal([2], await DrainAsync(queue));
        Assert.Empty(_shed);
    }

    [Fact]
    public async Task Complete_WhileLosslessWritersWait_LetsThemAllGo()
    {
        using var queue = Queue(1, lossless: true);
        await queue.WriteAsync(Lossy(1));
        var waiting = Enumerable.Range(2, 5).Select(i => queue.WriteAsync(Lossy(i)).AsTask()).ToArray();

        queue.Complete();
        await Task.WhenAll(waiting);

        Assert.Equal([2, 3, 4, 5, 6], _shed.Order());
        Assert.Equal([1], await DrainAsync(queue));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WriteAsync_AfterCompleteAndDispose_Sheds(bool lossless)
    {
        var queue = Queue(1, lossless);
        queue.Complete();
        queue.Complete();
        await queue.WriteAsync(Durable(1));
        queue.Dispose();

        await queue.WriteAsync(Durable(2));

        Assert.Equal([1, 2], _shed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WriteAsync_FromManyWriters_LosesNothingUncounted(bool lossless)
    {
        var shed = 0;
        using var queue = new SinkQueue(8, lossless, _ => Interlocked.Increment(ref shed));
        var reading = Task.Run(() => DrainAsync(queue));

        await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
                await queue.WriteAsync(i % 3 == 0 ? Durable(writer * 1000 + i) : Lossy(writer * 1000 + i));
        })));
        queue.Complete();
        var read = await reading;

        Assert.Equal(2000, read.Count + shed);
        if (lossless) Assert.Equal(0, shed);
        for (var writer = 0; writer < 4; writer++)
        {
            var own = read.Where(n => n / 1000 == writer).ToArray();
            Assert.Equal(own.Order(), own);
        }
    }

    private SinkQueue Queue(int capacity, bool lossless = false) => new(capacity, lossless, m =>
    {
        lock (_shed) _shed.Add(Number(m)); // writers that are let go shed at the same time
    });

    private static async Task<List<long>> DrainAsync(SinkQueue queue)
    {
        var numbers = new List<long>();
        while (await queue.ReadAsync() is { } message) numbers.Add(Number(message));
        return numbers;
    }
}
