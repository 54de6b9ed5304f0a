using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>
/// Association of detections to tracklets by contrastive embeddings (IDOL, ECCV 2022, its published tracker, which
/// RefineVIS employs). Buffers are reused; one per camera, not thread-safe.
/// </summary>
public sealed class TrackletAssociation(int channels, AssociationRule rule, TrackletStore store)
{
    /// <summary>Id of a detection that shows nothing known, and overlaps with no better one.</summary>
    public const long Background = -1;

    /// <summary>Id of a detection that neither continues nor begins a tracklet.</summary>
    public const long Ignored = -2;

    /// <summary>Id of a detection whose mask belongs to a better one.</summary>
    public const long Removed = -3;

    // Thresholds are compared in single precision, as IDOL does: scores and overlaps may lie on them.
    private const float Smallest = 1e-6f; // added to both sides of an IoU, in single precision as in IDOL

    private readonly List<int> _kept = [];
    private readonly TrackletSimilarity _similarity = new(channels, rule);
    private long[] _ids = [];

    public TrackletStore Store => store;

    /// <summary>Takes the detections of the next frame, the best score first.</summary>
    /// <param name="scores">Scores of the best class, shape [N].</param>
    /// <param name="embeds">Contrastive embeddings, shape [N,C].</param>
    /// <param name="masks">N masks, more may follow.</param>
    /// <returns>
    /// Tracklet of each detection, shape [N], or one of the negative constants; valid until the next call.
    /// </returns>
    public ReadOnlySpan<long> Associate(
        ReadOnlySpan<float> scores, ReadOnlySpan<float> embeds, IReadOnlyList<MaskBits> masks)
    {
        if (_ids.Length < scores.Length) _ids = new long[scores.Length];
        var ids = _ids.AsSpan(0, scores.Length);
        store.BeginFrame();
        Suppress(masks, ids);
        var first = store.Live.Count == 0;
        if (!first && _kept.Count > 0) Match(scores, embeds, ids);
        Begin(scores, embeds, (float)(first ? rule.Init : rule.AddNew), ids);
        MarkBackground(masks, ids);
        store.Forget();
        return ids;
    }

    /// <summary>Begins a new epoch.</summary>
    public void Reset() => store.Reset();

    /// <summary>Mask NMS across classes: a detection is removed when a better one that is kept has its mask.</summary>
    private void Suppress(IReadOnlyList<MaskBits> masks, Span<long> ids)
    {
        _kept.Clear();
        for (var i = 0; i < ids.Length; i++)
        {
            ids[i] = Ignored;
            foreach (var better in _kept)
                if (IoU(masks[i], masks[better]) > (float)rule.NmsPre) ids[i] = Removed;
            if (ids[i] == Ignored) _kept.Add(i);
        }
    }

    private void Match(ReadOnlySpan<float> scores, ReadOnlySpan<float> embeds, Span<long> ids)
    {
        var columns = store.Live.Count;
        var similarity = _similarity.Compare(embeds, _kept, store.Live);
        for (var r = 0; r < _kept.Count; r++)
        {
            var row = similarity.Slice(r * columns, columns);
            _similarity.Prefer(row, store.Live);
            var best = TensorPrimitives.IndexOfMax<float>(row);
            if (!(row[best] > (float)rule.Match)) continue;
            var (i, tracklet) = (_kept[r], store.Live[best]);
            ids[i] = tracklet.Id;
            tracklet.Append(embeds.Slice(i * channels, channels), scores[i], store.Frame);
            for (var other = r + 1; other < _kept.Count; other++) similarity[other * columns + best] = 0;
        }
    }

    private void Begin(ReadOnlySpan<float> scores, ReadOnlySpan<float> embeds, float threshold, Span<long> ids)
    {
        foreach (var i in _kept)
        {
            if (ids[i] != Ignored || !(scores[i] > threshold) || store.Begin() is not { } tracklet) continue;
            ids[i] = tracklet.Id;
            tracklet.Append(embeds.Slice(i * channels, channels), scores[i], store.Frame);
        }
    }

    /// <summary>Detections without a tracklet and without overlap with a better one are background.</summary>
    private void MarkBackground(IReadOnlyList<MaskBits> masks, Span<long> ids)
    {
        for (var r = 0; r < _kept.Count; r++)
        {
            if (ids[_kept[r]] != Ignored) continue;
            var overlaps = false;
            for (var better = 0; better < r; better++)
                overlaps |= IoU(masks[_kept[r]], masks[_kept[better]]) >= (float)rule.NmsPost;
            if (!overlaps) ids[_kept[r]] = Background;
        }
    }

    private static float IoU(MaskBits mask, MaskBits other)
    {
        var both = mask.Intersection(other);
        return (both + Smallest) / (mask.Count + other.Count - both + Smallest);
    }
}
