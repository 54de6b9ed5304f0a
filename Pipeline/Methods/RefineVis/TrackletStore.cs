using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>
/// Tracklets of one camera, at most as many as there are slots. When all are taken, the weakest tracklet without a
/// detection in this frame leaves. Not thread-safe.
/// </summary>
/// <param name="slots">Tracklets at a time, at most.</param>
/// <param name="rest">
/// Frames for which a slot stays empty after its tracklet has left, so that one window never has two tracklets in a
/// slot.
/// </param>
public sealed class TrackletStore(int channels, AssociationRule rule, int slots, int rest)
{
    private readonly List<Tracklet> _live = [];
    private readonly Queue<Tracklet> _left = [];
    private long _nextId;
    private int _created, _waiting;

    /// <summary>Tracklets in the memory, in the order in which they began.</summary>
    public IReadOnlyList<Tracklet> Live => _live;

    /// <summary>Frames so far in this epoch.</summary>
    public long Frame { get; private set; } = -1;

    /// <summary>Tracklets that left because all slots were taken, in all epochs.</summary>
    public long Evicted { get; private set; }

    /// <summary>Detections that began no tracklet because no slot was free, in all epochs.</summary>
    public long Refused { get; private set; }

    internal void BeginFrame() => (Frame, _waiting) = (Frame + 1, 0);

    /// <summary>Begins a tracklet; null when no slot is free.</summary>
    internal Tracklet? Begin()
    {
        if (_created == slots && !HasRested() && _left.Count < ++_waiting) Evict();
        if (_created == slots && !HasRested())
        {
            Refused++;
            return null;
        }

        var tracklet = _created < slots ? new Tracklet(_created++, channels, rule) : _left.Dequeue();
        tracklet.Begin(_nextId++);
        _live.Add(tracklet);
        return tracklet;
    }

    /// <summary>Removes the tracklets that were not detected for <see cref="AssociationRule.ForgetAfter"/>.</summary>
    internal void Forget()
    {
        for (var i = _live.Count - 1; i >= 0; i--)
            if (Frame - _live[i].LastFrame >= rule.ForgetAfter) RemoveAt(i);
    }

    /// <summary>Begins a new epoch: no tracklet continues, and their slots are free.</summary>
    internal void Reset()
    {
        foreach (var tracklet in _live) _left.Enqueue(tracklet);
        foreach (var tracklet in _left) tracklet.LeftAt = -1 - rest;
        _live.Clear();
        (Frame, _nextId) = (-1, 0);
    }

    private bool HasRested() => _left.TryPeek(out var oldest) && Frame - oldest.LeftAt >= rest;

    private void Evict()
    {
        var weakest = -1;
        for (var i = 0; i < _live.Count; i++)
        {
            if (_live[i].LastFrame == Frame) continue;
            if (weakest < 0 || _live[i].LastScore < _live[weakest].LastScore) weakest = i;
        }

        if (weakest < 0) return;
        Evicted++;
        RemoveAt(weakest);
    }

    private void RemoveAt(int index)
    {
        _live[index].LeftAt = Frame;
        _left.Enqueue(_live[index]);
        _live.RemoveAt(index);
    }
}
