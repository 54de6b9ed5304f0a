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
    private const float Similar = 0.5f; // from here on the frames in which a tracklet was seen count

    private readonly List<int> _kept = [];
    private float[] _memory = [], _similarity = [], _byDetection = [], _column = [];
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
        var (rows, columns) = (_kept.Count, store.Live.Count);
        Compare(embeds, rows, columns);
        for (var r = 0; r < rows; r++)
        {
            var row = _similarity.AsSpan(r * columns, columns);
            Prefer(row);
            var best = TensorPrimitives.IndexOfMax<float>(row);
            if (!(row[best] > (float)rule.Match)) continue;
            var (i, tracklet) = (_kept[r], store.Live[best]);
            ids[i] = tracklet.Id;
            tracklet.Append(embeds.Slice(i * channels, channels), scores[i], store.Frame);
            for (var other = r + 1; other < rows; other++) _similarity[other * columns + best] = 0;
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

    /// <summary>Bi-softmax of the dot products: the mean of the softmaxes over tracklets and detections.</summary>
    private void Compare(ReadOnlySpan<float> embeds, int rows, int columns)
    {
        Grow(ref _memory, columns * channels);
        Grow(ref _similarity, rows * columns);
        Grow(ref _byDetection, rows * columns);
        Grow(ref _column, rows);
        for (var c = 0; c < columns; c++) store.Live[c].WriteMemory(_memory.AsSpan(c * channels, channels));
        for (var r = 0; r < rows; r++)
        {
            var embedding = embeds.Slice(_kept[r] * channels, channels);
            for (var c = 0; c < columns; c++)
                _similarity[r * columns + c] =
                    TensorPrimitives.Dot(embedding, _memory.AsSpan(c * channels, channels));
        }

        var column = _column.AsSpan(0, rows);
        for (var c = 0; c < columns; c++)
        {
            for (var r = 0; r < rows; r++) column[r] = _similarity[r * columns + c];
            MaskKernels.Softmax(column, column);
            for (var r = 0; r < rows; r++) _byDetection[r * columns + c] = column[r];
        }

        for (var r = 0; r < rows; r++)
        {
            var row = _similarity.AsSpan(r * columns, columns);
            MaskKernels.Softmax(row, row);
            TensorPrimitives.Add(row, _byDetection.AsSpan(r * columns, columns), row);
            TensorPrimitives.Divide(row, 2, row);
        }
    }

    /// <summary>
    /// Of several similar tracklets, those seen in more frames are preferred: they are multiplied by that number, all
    /// others by its mean.
    /// </summary>
    private void Prefer(Span<float> row)
    {
        if (rule.Memory == TrackletMemory.Momentum) return;
        var (similar, seen) = (0, 0f);
        for (var c = 0; c < row.Length; c++)
        {
            if (!(row[c] > Similar)) continue;
            similar++;
            seen += store.Live[c].Seen;
        }

        if (similar < 2) return;
        for (var c = 0; c < row.Length; c++) row[c] *= row[c] > Similar ? store.Live[c].Seen : seen / similar;
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

    private static void Grow(ref float[] buffer, int length)
    {
        if (buffer.Length < length) buffer = new float[length];
    }
}
