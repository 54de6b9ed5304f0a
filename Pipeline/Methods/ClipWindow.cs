namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// The last frames of an epoch: the newest are pending, the older ones committed and kept as context of revisions. Owns
/// its frames; not thread-safe.
/// </summary>
/// <param name="length">Frames kept.</param>
public sealed class ClipWindow<TFrame>(int length) : IDisposable
    where TFrame : IDisposable
{
    private readonly List<TFrame> _frames = [];

    /// <summary>Oldest first; the last <see cref="Pending"/> are not committed.</summary>
    public IReadOnlyList<TFrame> Frames => _frames;

    public int Pending { get; private set; }

    public void Add(TFrame frame)
    {
        _frames.Add(frame);
        Pending++;
        if (_frames.Count <= length) return;
        _frames[0].Dispose();
        _frames.RemoveAt(0);
    }

    /// <summary>Commits the oldest pending frames.</summary>
    public void Commit(int count) => Pending -= count;

    public void Clear()
    {
        foreach (var frame in _frames) frame.Dispose();
        _frames.Clear();
        Pending = 0;
    }

    public void Dispose() => Clear();
}
