using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>
/// Similarity of detections and tracklets (IDOL): the mean of the softmaxes of their dot products over tracklets and
/// over detections. Buffers are reused; not thread-safe.
/// </summary>
internal sealed class TrackletSimilarity(int channels, AssociationRule rule)
{
    private const float Similar = 0.5f; // from here on the frames in which a tracklet was seen count

    private float[] _memory = [], _similarity = [], _byDetection = [], _column = [];

    /// <param name="embeds">Contrastive embeddings of a frame's detections, shape [all,C].</param>
    /// <param name="detections">The N of them that count.</param>
    /// <param name="tracklets">M, at least one.</param>
    /// <returns>Shape [N,M], valid until the next call.</returns>
    public Span<float> Compare(ReadOnlySpan<float> embeds, List<int> detections, IReadOnlyList<Tracklet> tracklets)
    {
        var (rows, columns) = (detections.Count, tracklets.Count);
        Grow(ref _memory, columns * channels);
        Grow(ref _similarity, rows * columns);
        Grow(ref _byDetection, rows * columns);
        Grow(ref _column, rows);
        for (var c = 0; c < columns; c++) tracklets[c].WriteMemory(_memory.AsSpan(c * channels, channels));
        for (var r = 0; r < rows; r++)
        {
            var embedding = embeds.Slice(detections[r] * channels, channels);
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

        return _similarity.AsSpan(0, rows * columns);
    }

    /// <summary>
    /// Of several similar tracklets, those seen in more frames are preferred: they are multiplied by that number, all
    /// others by its mean.
    /// </summary>
    /// <param name="row">Similarities of one detection, shape [M].</param>
    public void Prefer(Span<float> row, IReadOnlyList<Tracklet> tracklets)
    {
        if (rule.Memory == TrackletMemory.Momentum) return;
        var (similar, seen) = (0, 0f);
        for (var c = 0; c < row.Length; c++)
        {
            if (!(row[c] > Similar)) continue;
            similar++;
            seen += tracklets[c].Seen;
        }

        if (similar < 2) return;
        for (var c = 0; c < row.Length; c++) row[c] *= row[c] > Similar ? tracklets[c].Seen : seen / similar;
    }

    private static void Grow(ref float[] buffer, int length)
    {
        if (buffer.Length < length) buffer = new float[length];
    }
}
