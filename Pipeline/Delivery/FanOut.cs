using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Delivery;

/// <summary>Receiver of the messages of the stages: the fan-out, or a list in a test.</summary>
public interface IPublisher
{
    /// <summary>Thread-safe; waits only for lossless sinks.</summary>
    ValueTask PublishAsync(PipelineMessage message);
}

/// <summary>
/// Queues and loops of the sinks, one of each per sink, shared by all cameras: a slow or failing sink affects no other.
/// Started once, stopped after the last camera.
/// </summary>
public sealed partial class FanOut : IPublisher, IAsyncDisposable
{
    /// <summary>Time for a sink to end.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(2);

    private readonly Lane[] _lanes;
    private readonly DeliveryMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<FanOut> _logger;
    private readonly CancellationTokenSource _abort;

    public FanOut(IEnumerable<IResultSink> sinks, int capacity, PipelineMetrics metrics, TimeProvider time,
        ILogger<FanOut> logger)
    {
        (_metrics, _time, _logger) = (new DeliveryMetrics(metrics.Meter), time, logger);
        _abort = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _lanes = [.. sinks.Select(sink => new Lane(
            sink, new SinkQueue(capacity, sink.Lossless, _ => _metrics.Dropped(sink.Name, "queue_full")), time))];
    }

    /// <summary>Starts the sinks; a sink that cannot start now retries by itself.</summary>
    public async Task StartAsync(CancellationToken cancel)
    {
        foreach (var lane in _lanes)
        {
            await lane.Sink.StartAsync(cancel);
            lane.Loop = Task.Run(() => RunAsync(lane), CancellationToken.None);
        }
    }

    public async ValueTask PublishAsync(PipelineMessage message)
    {
        foreach (var lane in _lanes) await lane.Queue.WriteAsync(message);
    }

    /// <summary>Delivers what is queued and flushes the sinks, for at most <paramref name="limit"/>.</summary>
    /// <returns>False when something may not have been delivered.</returns>
    public async Task<bool> StopAsync(TimeSpan limit)
    {
        foreach (var lane in _lanes) lane.Queue.Complete();
        _abort.CancelAfter(limit);
        var done = await Task.WhenAll(_lanes.Select(DrainAsync));
        return done.All(d => d);
    }

    public async ValueTask DisposeAsync()
    {
        await _abort.CancelAsync();
        foreach (var lane in _lanes) lane.Queue.Complete();
        await Task.WhenAll(_lanes.Select(CloseAsync));
        _abort.Dispose();
    }

    private async Task CloseAsync(Lane lane)
    {
        try
        {
            if (lane.Loop is not null) await lane.Loop.WaitAsync(s_grace, _time);
            lane.Queue.Dispose();
            await lane.Sink.DisposeAsync().AsTask().WaitAsync(s_grace, _time);
        }
        catch (TimeoutException)
        {
            LogCloseTimedOut(lane.Sink.Name, s_grace.TotalSeconds);
        }
        catch (Exception e) // a sink that hangs or fails is left behind; the others still close
        {
            LogCloseFailed(lane.Sink.Name, e);
        }
    }

    private async Task<bool> DrainAsync(Lane lane)
    {
        try
        {
            if (lane.Loop is not null) await lane.Loop.WaitAsync(_abort.Token);
            await lane.Sink.FlushAsync(_abort.Token).WaitAsync(_abort.Token);
            return !_abort.IsCancellationRequested;
        }
        catch (OperationCanceledException) when (_abort.IsCancellationRequested)
        {
            LogFlushTimedOut(lane.Sink.Name);
            return false;
        }
        catch (Exception e) // a sink may fail in any way; the others still drain
        {
            LogFlushFailed(lane.Sink.Name, e);
            return false;
        }
    }

    private async Task RunAsync(Lane lane)
    {
        while (await lane.Queue.ReadAsync() is { } message)
        {
            if (_abort.IsCancellationRequested)
            {
                _metrics.Dropped(lane.Sink.Name, "shutdown");
                continue;
            }

            try
            {
                await lane.Sink.PublishAsync(message, _abort.Token);
                Measure(lane.Sink.Name, message);
            }
            catch (Exception e) // a failure of this sink with this message
            {
                _metrics.Failed(lane.Sink.Name);
                if (lane.Failures.Pass()) LogPublishFailed(lane.Sink.Name, e);
            }
        }
    }

    private void Measure(string sink, PipelineMessage message)
    {
        var now = _time.GetTimestamp();
        if (message is ProvisionalResult { Frame: var shown })
            _metrics.HandedOver(sink, "provisional", shown.Age(_time, now));
        if (message is FinalResult { Frames: var revised })
            foreach (var frame in revised) _metrics.HandedOver(sink, "final", frame.Age(_time, now));
    }

    private sealed class Lane(IResultSink sink, SinkQueue queue, TimeProvider time)
    {
        public IResultSink Sink { get; } = sink;

        public SinkQueue Queue { get; } = queue;

        public Task? Loop { get; set; }

        public RepeatedReport Failures { get; } = new(time);
    }

    [LoggerMessage(2201, LogLevel.Error, "Sink {Sink}: a message could not be published.")]
    private partial void LogPublishFailed(string sink, Exception e);

    [LoggerMessage(2202, LogLevel.Error, "Sink {Sink}: could not be flushed.")]
    private partial void LogFlushFailed(string sink, Exception e);

    [LoggerMessage(2204, LogLevel.Warning, "Sink {Sink}: stopped before everything was delivered.")]
    private partial void LogFlushTimedOut(string sink);

    [LoggerMessage(2205, LogLevel.Warning, "Sink {Sink}: did not close within {Seconds} s and is left behind.")]
    private partial void LogCloseTimedOut(string sink, double seconds);

    [LoggerMessage(2203, LogLevel.Error, "Sink {Sink}: could not be closed.")]
    private partial void LogCloseFailed(string sink, Exception e);
}
