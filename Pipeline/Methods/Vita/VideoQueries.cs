using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods.Vita;

/// <summary>VITA over a window (section 3): its video queries, in the order of the slots. Not thread-safe.</summary>
/// <param name="graph">Tensors of <c>vita</c>; its owner keeps it.</param>
public sealed class VideoQueries(IModel graph, ModelManifest manifest, TensorPool pool)
{
    // Logit of "no object" against 0 for each class in a slot without a video query: a probability of 2e-9.
    private const float Nothing = 20;

    private readonly int _slots = manifest.Queries, _queries = manifest.VideoQueries, _channels = manifest.HiddenSize;
    private readonly int _classes = manifest.ClassCount;
    private readonly VideoQueryTies _ties = new(manifest.Queries, manifest.VideoQueries);
    private readonly int[] _queryOf = new int[manifest.Queries];
    private readonly float[] _similarity = new float[manifest.Queries * manifest.VideoQueries];
    private readonly float[] _slotObject = new float[manifest.Queries], _weight = new float[manifest.Queries];
    private readonly float[] _queryObject = new float[manifest.VideoQueries];
    private readonly float[] _appearance = new float[manifest.Queries * manifest.HiddenSize];

    /// <param name="window">Frames of type <see cref="VitaFrame"/>, oldest first.</param>
    /// <inheritdoc cref="IVideoMethod.Revise"/>
    public ClipRevision Revise(IReadOnlyList<QueryFrame> window)
    {
        using var embeds = pool.Rent(window.Count, _slots, _channels);
        using var logits = pool.Rent(_queries, _classes + 1);
        using var masks = pool.Rent(_queries, manifest.MaskChannels);
        using var frameSimilarity = pool.Rent(window.Count, _slots, _channels);
        using var querySimilarity = pool.Rent(_queries, _channels);
        for (var t = 0; t < window.Count; t++)
            ((VitaFrame)window[t]).FrameEmbeds.Span.CopyTo(embeds.Span[(t * _slots * _channels)..]);
        graph.Run([embeds], [logits, masks, frameSimilarity, querySimilarity]);

        Tie(window, logits.Span, frameSimilarity.Span, querySimilarity.Span);
        return InSlots(window.Count, logits.Span, masks.Span);
    }

    private void Tie(
        IReadOnlyList<QueryFrame> window, ReadOnlySpan<float> logits, ReadOnlySpan<float> frames,
        ReadOnlySpan<float> queries)
    {
        Average(window, frames);
        Objects(logits, _queryObject);
        for (var s = 0; s < _slots; s++)
        {
            var slot = _appearance.AsSpan(s * _channels, _channels);
            for (var v = 0; v < _queries; v++)
                _similarity[s * _queries + v] = TensorPrimitives.Dot(slot, queries.Slice(v * _channels, _channels));
        }

        _ties.Solve(_similarity, _slotObject, _queryObject, _queryOf);
    }

    /// <summary>
    /// Means of the slots' similarity embeddings, weighted by the probability that the slot shows an object in the
    /// frame, so that frames in which it is hidden do not count; its highest is the slot's own.
    /// </summary>
    private void Average(IReadOnlyList<QueryFrame> window, ReadOnlySpan<float> frames)
    {
        Array.Clear(_appearance);
        Array.Clear(_slotObject);
        var total = new float[_slots];
        for (var t = 0; t < window.Count; t++)
        {
            var sources = window[t].Sources.Span;
            Objects(window[t].Logits.Span, _weight);
            for (var s = 0; s < _slots; s++)
            {
                var row = frames.Slice((t * _slots + sources[s]) * _channels, _channels);
                var sum = _appearance.AsSpan(s * _channels, _channels);
                TensorPrimitives.MultiplyAdd(row, _weight[s], sum, sum);
                total[s] += _weight[s];
                _slotObject[s] = Math.Max(_slotObject[s], _weight[s]);
            }
        }

        for (var s = 0; s < _slots; s++)
        {
            var mean = _appearance.AsSpan(s * _channels, _channels);
            TensorPrimitives.Divide(mean, Math.Max(total[s], float.Epsilon), mean);
        }
    }

    /// <summary>Probability of an object in each row of logits [N,K+1].</summary>
    private void Objects(ReadOnlySpan<float> logits, Span<float> probability)
    {
        Span<float> row = stackalloc float[_classes + 1];
        for (var i = 0; i < probability.Length; i++)
        {
            MaskKernels.Softmax(logits.Slice(i * (_classes + 1), _classes + 1), row);
            probability[i] = 1 - row[_classes];
        }
    }

    private ClipRevision InSlots(int frames, ReadOnlySpan<float> logits, ReadOnlySpan<float> masks)
    {
        var (width, channels) = (_classes + 1, manifest.MaskChannels);
        var revision = new ClipRevision(pool.Rent(_slots, width), pool.Rent(frames, _slots, channels))
        {
            StandsAlone = true,
        };
        revision.Logits.Span.Clear();
        revision.MaskEmbeds.Span.Clear();
        for (var s = 0; s < _slots; s++)
        {
            var row = revision.Logits.Span.Slice(s * width, width);
            if (_queryOf[s] == VideoQueryTies.None)
            {
                row[_classes] = Nothing;
                continue;
            }

            logits.Slice(_queryOf[s] * width, width).CopyTo(row);
            var mask = masks.Slice(_queryOf[s] * channels, channels);
            for (var t = 0; t < frames; t++)
                mask.CopyTo(revision.MaskEmbeds.Span[((t * _slots + s) * channels)..]);
        }

        return revision;
    }
}
