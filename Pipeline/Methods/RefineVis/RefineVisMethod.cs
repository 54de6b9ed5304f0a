using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>
/// RefineVIS: detections are associated to tracklets, whose embeddings are refined over time: online by the refined
/// ones of earlier frames, and in revisions by the raw ones of all frames of the clip.
/// </summary>
/// <remarks>
/// A tracklet has a slot while it is in the memory. The slot rests before it is used again, so that a slot has one
/// tracklet in all frames of a clip.
/// </remarks>
public sealed class RefineVisMethod : IVideoMethod
{
    private readonly ModelManifest _manifest;
    private readonly TensorPool _pool;
    private readonly FrameDetections _detections;
    private readonly TrackletAssociation _association;
    private readonly OnlineRefinement _online;
    private readonly ClipRefinement _clip;
    private readonly List<int> _slots = [];
    private long? _first;

    /// <param name="graphs">The caller's.</param>
    /// <param name="clip">Lengths of the clips; null: frames are never revised.</param>
    /// <param name="keepsBest">True: as IDOL, for videos that end; see <see cref="FrameDetections"/>.</param>
    public RefineVisMethod(ModelGraphs graphs, TensorPool pool, ClipLengths? clip, bool keepsBest = false)
    {
        (_manifest, _pool, Clip) = (graphs.Manifest, pool, clip);
        var (rule, channels) = (_manifest.Association!, _manifest.HiddenSize);
        var rest = Math.Max(_manifest.TemporalWindow, clip?.Window ?? 0);
        var refinement = new TemporalRefinement(graphs, pool);
        _detections = new FrameDetections(graphs, keepsBest);
        _association = new TrackletAssociation(
            channels, rule, new TrackletStore(channels, rule, _manifest.Queries, rest));
        _online = new OnlineRefinement(refinement, _manifest, pool);
        _clip = new ClipRefinement(refinement, _manifest, pool);
    }

    public ClipLengths? Clip { get; }

    public TrackletUse? Tracklets => new(Store.Live.Count, Store.Evicted + Store.Refused);

    internal TrackletStore Store => _association.Store;

    public QueryFrame Observe(SegmentedFrame frame)
    {
        _first ??= frame.Info.FrameId;
        _detections.Read(frame);
        var ids = _association.Associate(_detections.Scores, _detections.Embeds, _detections.Masks);
        var number = (frame.Info.FrameId - _first.Value) % _manifest.FramePeriod;
        var answer = new RefineVisFrame(
            _pool.Rent(1, _manifest.Queries, _manifest.HiddenSize),
            _pool.Rent(1, _manifest.Queries, _manifest.ClassCount + 1),
            _pool.Rent(1, _manifest.Queries, _manifest.MaskChannels), number, _manifest.Queries)
        { Tracklets = new long[_manifest.Queries] };
        try
        {
            Assign(answer, ids, frame.FrameEmbeds.Span);
            Refine(answer);
            return answer;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    public ClipRevision Revise(IReadOnlyList<QueryFrame> window) => _clip.Revise(window);

    public void Reset()
    {
        _first = null;
        _association.Reset();
        _online.Reset();
    }

    public void Dispose() => _detections.Dispose();

    /// <summary>Puts the tracklets into their slots, with the embeddings of those that have a detection.</summary>
    private void Assign(RefineVisFrame answer, ReadOnlySpan<long> ids, ReadOnlySpan<float> embeds)
    {
        var channels = _manifest.HiddenSize;
        var target = answer.InstanceEmbeds.Span;
        target.Clear();
        answer.Tracklets.AsSpan().Fill(QueryFrame.NoTracklet);
        _slots.Clear();
        foreach (var tracklet in Store.Live)
        {
            _slots.Add(tracklet.Slot);
            answer.Tracklets![tracklet.Slot] = tracklet.Id;
            var detection = ids.IndexOf(tracklet.Id);
            if (detection < 0) continue;
            answer.Detected[tracklet.Slot] = true;
            embeds.Slice(_detections.Queries[detection] * channels, channels)
                .CopyTo(target[(tracklet.Slot * channels)..]);
        }
    }

    private void Refine(RefineVisFrame answer)
    {
        ClipRefinement.Empty(answer.Logits.Span, _manifest.ClassCount + 1);
        answer.MaskEmbeds.Span.Clear();
        if (_slots.Count == 0)
        {
            _online.Skip(answer.Number);
            return;
        }

        using var refined = _online.Step(answer.Number, _slots, answer.InstanceEmbeds.Span);
        Scatter(refined.Logits.Span, _manifest.ClassCount + 1, answer.Logits.Span);
        Scatter(refined.MaskEmbeds.Span, _manifest.MaskChannels, answer.MaskEmbeds.Span);
    }

    private void Scatter(ReadOnlySpan<float> rows, int width, Span<float> bySlot)
    {
        for (var i = 0; i < _slots.Count; i++) rows.Slice(i * width, width).CopyTo(bySlot[(_slots[i] * width)..]);
    }
}
