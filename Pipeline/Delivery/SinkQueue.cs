using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Delivery;

/// <summary>
/// Bounded queue before one sink. When full it sheds the oldest telemetry, and only when there is none the oldest
/// durable message; a lossless one makes the writer wait instead. Many writers, one reader; order is kept.
/// </summary>
public sealed class SinkQueue(int capacity, bool lossless, Action<PipelineMessage> shed) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly LinkedList<PipelineMessage> _items = [];
    private readonly SemaphoreSlim _filled = new(0), _space = new(capacity);
    private volatile bool _completed;

    /// <summary>Adds one; after <see cref="Complete"/> it is shed.</summary>
    public async ValueTask WriteAsync(PipelineMessage message)
    {
        var waited = lossless && !_completed;
        if (waited) await _space.WaitAsync();
        PipelineMessage? victim = null;
        lock (_gate)
        {
            if (_completed)
            {
                victim = message;
                if (waited) _space.Release(); // the next writer that waits is woken by this one
            }
            else
            {
                _items.AddLast(message);
                if (_items.Count > capacity) victim = TakeVictim();
                if (victim is null) _filled.Release();
            }
        }

        if (victim is not null) shed(victim);
    }

    /// <summary>The oldest message; null when completed and empty.</summary>
    public async ValueTask<PipelineMessage?> ReadAsync()
    {
        await _filled.WaitAsync();
        lock (_gate)
        {
            if (_items.First is not { } node) return null;
            _items.RemoveFirst();
            if (lossless) _space.Release();
            return node.Value;
        }
    }

    /// <summary>Ends writing: waiting writers return, their messages are shed; what is inside is still read.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            if (_completed) return;
            _completed = true;
            _filled.Release();
            _space.Release();
        }
    }

    public void Dispose()
    {
        _filled.Dispose();
        _space.Dispose();
    }

    // Null when all are CamerasChanged: those are few, and a sink needs them.
    private PipelineMessage? TakeVictim()
    {
        var node = Oldest(m => !m.IsDurable) ?? Oldest(m => m is not CamerasChanged);
        if (node is not null) _items.Remove(node);
        return node?.Value;
    }

    private LinkedListNode<PipelineMessage>? Oldest(Predicate<PipelineMessage> match)
    {
        var node = _items.First;
        while (node is not null && !match(node.Value)) node = node.Next;
        return node;
    }
}
