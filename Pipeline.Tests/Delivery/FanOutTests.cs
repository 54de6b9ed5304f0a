using System.Collections.Concurrent;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging;
using static Dvis.Streaming.Pipeline.Tests.Delivery.SomeMessages;

namespace Dvis.Streaming.Pipeline.Tests.Delivery;

public sealed class FanOutTests : IAsyncDisposable
{
    private readonly TestMetrics _measured = new();
    private readonly ManualTime _time = new();
    private readonly LogProbe<FanOut> _log = new();
    private FanOut? _fanOut;

    [Fact]
    public async Task StopAsync_WithMessagesQueued_DeliversThemInOrderAndFlushes()
    {
        var sink = new CollectingSink();
        var fanOut = await StartAsync(100, sink);
        for (var i = 0; i < 50; i++) await fanOut.PublishAsync(i % 2 == 0 ? Lossy(i) : Durable(i));

        Assert.True(await fanOut.StopAsync(TimeSpan.FromSeconds(5)));

        Assert.Equal(Enumerable.Range(0, 50).Select(i => (long)i), sink.Received);
        Assert.True(sink.Flushed);
    }

    [Fact]
    public async Task PublishAsync_OneSinkThrowsAndOneHangs_TheThirdGetsEverything()
    {
        var (sink, hanging) = (new CollectingSink(), new HangingSink(obeys: true));
        var fanOut = await StartAsync(4, new ThrowingSink(), hanging, sink);

        for (var i = 0; i < 40; i++)
        {
            await fanOut.PublishAsync(Durable(i));
            // The one that throws is not slow: it has had the message, too, before the next comes.
            await Eventually.TrueAsync(() => sink.Received.Count > i
                && _measured.Of("dvis.sink.failures", "sink=throwing").Count > i, "both get the message");
            if (i == 0) await hanging.Entered;
        }

        Assert.Equal(Enumerable.Range(0, 40).Select(i => (long)i), sink.Received);
        await Eventually.TrueAsync(() => _measured.Of("dvis.sink.failures", "sink=throwing").Count == 40);
        Assert.Equal(35, _measured.Of("dvis.sink.dropped", "sink=hanging").Count); // one in hand, four queued
        Assert.Single(_log.Entries, e => e.Level == LogLevel.Error); // no time has passed: one line
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task StopAsync_ASinkHangs_GivesUpAtTheLimit(bool obeys)
    {
        var (sink, hanging) = (new CollectingSink(), new HangingSink(obeys));
        var fanOut = await StartAsync(10, hanging, sink);
        for (var i = 0; i < 5; i++) await fanOut.PublishAsync(Durable(i));
        await hanging.Entered;

        var stopping = fanOut.StopAsync(TimeSpan.FromSeconds(3));
        await Eventually.TrueAsync(() => sink.Flushed);
        Assert.False(stopping.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(3));

        Assert.False(await stopping);
        Assert.Equal(5, sink.Received.Count);
        if (obeys) await Eventually.TrueAsync(() => _measured.Of("dvis.sink.dropped", "reason=shutdown").Count == 4);
    }

    [Fact]
    public async Task DisposeAsync_ASinkHangsForEver_IsLeftBehind()
    {
        var (sink, hanging) = (new CollectingSink(), new HangingSink(obeys: false));
        var fanOut = await StartAsync(10, hanging, sink);
        await fanOut.PublishAsync(Durable(1));
        await hanging.Entered;

        var disposing = fanOut.DisposeAsync().AsTask();
        await Eventually.TrueAsync(() => sink.Disposed, "the good sink is closed, which takes no time");
        await Eventually.TrueAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return disposing.IsCompleted;
        });

        await disposing;
        Assert.False(hanging.Disposed);
        _fanOut = null;
    }

    [Fact]
    public async Task PublishAsync_AfterDispose_IsCountedNotThrown()
    {
        var fanOut = await StartAsync(10, new CollectingSink(), new CollectingSink { Lossless = true });
        await fanOut.DisposeAsync();
        _fanOut = null;

        await fanOut.PublishAsync(Durable(1));

        Assert.Equal(2, _measured.Of("dvis.sink.dropped", "sink=collecting").Count);
    }

    public async ValueTask DisposeAsync()
    {
        if (_fanOut is not null)
        {
            var disposing = _fanOut.DisposeAsync().AsTask();
            await Eventually.TrueAsync(() =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return disposing.IsCompleted;
            });
        }

        _measured.Dispose();
    }

    private async Task<FanOut> StartAsync(int capacity, params IResultSink[] sinks)
    {
        _fanOut = new FanOut(sinks, capacity, _measured.Metrics, _time, _log);
        await _fanOut.StartAsync(CancellationToken.None);
        return _fanOut;
    }

    private sealed class CollectingSink : IResultSink
    {
        private readonly ConcurrentQueue<long> _received = new();

        public string Name => "collecting";

        public bool Lossless { get; init; }

        public ConcurrentQueue<long> Received => _received;

        public bool Flushed { get; private set; }

        public bool Disposed { get; private set; }

        public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

        public ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
        {
            Assert.False(Flushed);
            _received.Enqueue(Number(message));
            return ValueTask.CompletedTask;
        }

        public Task FlushAsync(CancellationToken cancel)
        {
            Flushed = true;
            return Task.CompletedTask;
        }

        public ValueTask DisposeAsync()
        {
            Disposed = true;
            return ValueTask.CompletedTask;
        }
    }

    private sealed class ThrowingSink : IResultSink
    {
        public string Name => "throwing";

        public bool Lossless => false;

        public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

        public ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel) =>
            throw new IOException("the disk is full");

        public Task FlushAsync(CancellationToken cancel) => throw new IOException("the disk is full");

        public ValueTask DisposeAsync() => throw new IOException("the disk is full");
    }

    /// <param name="obeys">True: it ends when it is told to; false: never.</param>
    private sealed class HangingSink(bool obeys) : IResultSink
    {
        private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously),
            _never = new();

        public string Name => "hanging";

        public bool Lossless => false;

        public bool Disposed { get; private set; }

        public Task Entered => _entered.Task;

        public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

        public async ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
        {
            _entered.TrySetResult();
            await _never.Task.WaitAsync(obeys ? cancel : CancellationToken.None);
        }

        public Task FlushAsync(CancellationToken cancel) => Task.CompletedTask;

        public ValueTask DisposeAsync()
        {
            Disposed = true;
            return ValueTask.CompletedTask;
        }
    }
}
