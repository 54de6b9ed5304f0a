namespace Dvis.Streaming.Hosting.Pictures;

/// <summary>The newest pictures of a camera, bounded in number and bytes. Thread-safe.</summary>
/// <param name="capacity">Pictures.</param>
/// <param name="maxBytes">Of all pictures together; the newest is kept, however large.</param>
internal sealed class PictureRing(int capacity, long maxBytes)
{
    private readonly Lock _gate = new();
    private readonly Queue<long> _order = new();
    private readonly Dictionary<long, Picture> _pictures = [];
    private long _bytes;

    /// <summary>Adds the picture of a frame that has none yet.</summary>
    public void Add(long frame, Picture picture)
    {
        lock (_gate)
        {
            if (!_pictures.TryAdd(frame, picture)) return;
            _order.Enqueue(frame);
            _bytes += picture.Jpeg.Length;
            while (_order.Count > 1 && (_order.Count > capacity || _bytes > maxBytes))
            {
                _pictures.Remove(_order.Dequeue(), out var oldest);
                _bytes -= oldest!.Jpeg.Length;
            }
        }
    }

    /// <summary>Picture of a frame; null when there is none, or no longer.</summary>
    public Picture? Find(long frame)
    {
        lock (_gate) return _pictures.GetValueOrDefault(frame);
    }

    public void Clear()
    {
        lock (_gate)
        {
            _order.Clear();
            _pictures.Clear();
            _bytes = 0;
        }
    }
}
