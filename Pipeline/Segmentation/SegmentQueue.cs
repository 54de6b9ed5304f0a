namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>
/// Cameras whose frame waits for the segmenter, oldest first: at most one frame per camera, which is the bound. One
/// thread takes and blocks; a channel has no blocking read.
/// </summary>
internal sealed class SegmentQueue
{
    private readonly object _gate = new();
    private readonly List<CameraSegmenter> _waiting = []; // under _gate, as are the two below
    private int _producers;
    private bool _complete;

    /// <summary>Cameras that may bring a frame.</summary>
    public int Producers
    {
        get { lock (_gate) return _producers; }
    }

    public void AddProducer()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_complete, typeof(SegmenterBatcher));
            _producers++;
        }
    }

    public void RemoveProducer()
    {
        lock (_gate)
        {
            _producers--;
            Monitor.Pulse(_gate); // a batch may have waited for this one
        }
    }

    /// <returns>False when the segmenter has stopped.</returns>
    public bool TryAdd(CameraSegmenter request)
    {
        lock (_gate)
        {
            if (_complete) return false;
            _waiting.Add(request);
            Monitor.Pulse(_gate);
            return true;
        }
    }

    public void Complete()
    {
        lock (_gate)
        {
            _complete = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>
    /// Blocks until a frame waits, then moves it and up to <paramref name="max"/> - 1 of the same input size into
    /// <paramref name="batch"/>. Waits for more at most <paramref name="maxWait"/>, and only while a camera has none.
    /// </summary>
    /// <returns>False when the queue is complete and empty.</returns>
    public bool Take(List<CameraSegmenter> batch, int max, TimeSpan maxWait)
    {
        lock (_gate)
        {
            while (_waiting.Count == 0)
            {
                if (_complete) return false;
                Monitor.Wait(_gate);
            }

            var size = Size(_waiting[0]);
            var deadline = Environment.TickCount64 + (long)Math.Ceiling(maxWait.TotalMilliseconds);
            while (maxWait > TimeSpan.Zero && !_complete && _waiting.Count < _producers && Matching(size) < max)
            {
                var left = deadline - Environment.TickCount64;
                if (left <= 0 || !Monitor.Wait(_gate, (int)Math.Min(left, int.MaxValue))) break;
            }

            for (var i = 0; i < _waiting.Count && batch.Count < max;)
            {
                if (Size(_waiting[i]) != size)
                {
                    i++;
                    continue;
                }

                batch.Add(_waiting[i]);
                _waiting.RemoveAt(i);
            }

            return true;
        }
    }

    private int Matching((int Width, int Height) size)
    {
        var count = 0;
        foreach (var request in _waiting)
            if (Size(request) == size) count++;
        return count;
    }

    private static (int Width, int Height) Size(CameraSegmenter request) =>
        (request.Geometry.PaddedWidth, request.Geometry.PaddedHeight);
}
