using System.Threading.Channels;

namespace Dvis.Streaming.Pipeline.Flow;

/// <summary>
/// Loops that run a step from link to link. The end of the stream travels on the links, a failure on the task, and the
/// token only to the source: a failing stage closes its input (upstream stops) and completes its output (downstream
/// drains).
/// </summary>
public static class StageLoop
{
    /// <summary>The first stage: items of a source, until it ends or is stopped.</summary>
    /// <param name="written">Called after each item.</param>
    public static async Task RunAsync<T>(
        Func<CancellationToken, IAsyncEnumerable<T>> source, Link<T> output, Action written, CancellationToken stop)
        where T : class, IDisposable
    {
        try
        {
            await foreach (var item in source(stop))
            {
                await output.WriteAsync(item);
                written();
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // A stop that was asked for is a normal end.
        }
        catch (ChannelClosedException)
        {
            // The next stage ended first; its own task carries the reason.
        }
        finally
        {
            output.Complete();
        }
    }

    /// <param name="beat">Receives when the step is at work, its wait for <paramref name="output"/> included.</param>
    public static async Task RunAsync<TIn, TOut>(Link<TIn> input,
        Func<IAsyncEnumerable<TIn>, IAsyncEnumerable<TOut>> step, Link<TOut> output, Heartbeats.Beat? beat = null)
        where TIn : class, IDisposable
        where TOut : class, IDisposable
    {
        try
        {
            await foreach (var item in step(Read(input, beat))) await output.WriteAsync(item);
        }
        catch (ChannelClosedException)
        {
            // The next stage ended first; its own task carries the reason.
        }
        finally
        {
            input.Close();
            output.Complete();
            beat?.Dispose();
        }
    }

    /// <summary>The last stage: a step without output.</summary>
    public static async Task RunAsync<TIn>(Link<TIn> input, Func<IAsyncEnumerable<TIn>, Task> step,
        Heartbeats.Beat? beat = null)
        where TIn : class, IDisposable
    {
        try
        {
            await step(Read(input, beat));
        }
        finally
        {
            input.Close();
            beat?.Dispose();
        }
    }

    private static IAsyncEnumerable<T> Read<T>(Link<T> input, Heartbeats.Beat? beat) where T : class, IDisposable =>
        beat is null ? input.ReadAllAsync() : beat.Watch(input.ReadAllAsync());

    /// <summary>Waits for all stages; the first failure stops the source and is thrown.</summary>
    public static async Task WhenAllAsync(CancellationTokenSource source, params Task[] stages)
    {
        await foreach (var stage in Task.WhenEach(stages))
            if (!stage.IsCompletedSuccessfully) await source.CancelAsync();
        await Task.WhenAll(stages);
    }
}
