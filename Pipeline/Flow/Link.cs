using System.Threading.Channels;

namespace Dvis.Streaming.Pipeline.Flow;

/// <summary>
/// Bounded channel between two stages. It owns its items: those dropped because it is full, written after it was
/// closed, or inside when it closes, are disposed here. One writer, one reader.
/// </summary>
public sealed class Link<T> where T : class, IDisposable
{
    private readonly Channel<T> _channel;

    /// <param name="capacity">Items that may wait.</param>
    /// <param name="fullMode">Effect of a write when full.</param>
    /// <param name="dropped">Called on the writer's thread for each item dropped because it was full, disposed.</param>
    public Link(int capacity, BoundedChannelFullMode fullMode, Action<T>? dropped = null)
    {
        Capacity = capacity;
        _channel = Channel.CreateBounded<T>(
            new BoundedChannelOptions(capacity) { FullMode = fullMode, SingleReader = false, SingleWriter = true },
            item =>
            {
                item.Dispose();
                dropped?.Invoke(item);
            });
    }

    public int Capacity { get; }

    /// <summary>Items waiting now.</summary>
    public int Count => _channel.Reader.Count;

    /// <summary>Takes ownership of <paramref name="item"/>, also when this throws.</summary>
    /// <exception cref="ChannelClosedException">The reader has closed it.</exception>
    public async ValueTask WriteAsync(T item)
    {
        try
        {
            await _channel.Writer.WriteAsync(item);
        }
        catch
        {
            item.Dispose();
            throw;
        }
    }

    public IAsyncEnumerable<T> ReadAllAsync() => _channel.Reader.ReadAllAsync();

    /// <summary>Ends writing; the items inside are still read.</summary>
    public void Complete() => _channel.Writer.TryComplete();

    /// <summary>Ends reading: writes fail from now on, and the items inside are disposed.</summary>
    public void Close()
    {
        _channel.Writer.TryComplete();
        while (_channel.Reader.TryRead(out var item)) item.Dispose();
    }
}
