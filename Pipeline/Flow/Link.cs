using System.Threading.Channels;

namespace Dvis.Streaming.Pipeline.Flow;

/// <summary>
/// One bounded hop between two stages. It owns what lies in it: an item that is dropped because the hop is full, that
/// finds it closed, or that lies in it when it closes, is disposed here. One writer, one reader.
/// </summary>
public sealed class Link<T> where T : class, IDisposable
{
    private readonly Channel<T> _channel;

    /// <param name="capacity">Items that may wait.</param>
    /// <param name="fullMode">What happens to a write when full;
    /// in the drop modes the victim is disposed and reported.</param>
    /// <param name="dropped">Called once for each item dropped because the hop was full,
    /// after it was disposed, on the writer's thread.</param>
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

    /// <summary>Hands <paramref name="item"/> over, also when this throws.</summary>
    /// <exception cref="ChannelClosedException">The reader has gone.</exception>
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

    /// <summary>No more items will come; those inside are still read.</summary>
    public void Complete() => _channel.Writer.TryComplete();

    /// <summary>Nobody will read any more: writes fail from now on, and what lies inside is disposed.</summary>
    public void Close()
    {
        _channel.Writer.TryComplete();
        while (_channel.Reader.TryRead(out var item)) item.Dispose();
    }
}
