using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>How much of a video one step of the refiner gets. Memory grows with these, time hardly falls.</summary>
/// <param name="Asking">Frames whose attention is computed at once …</param>
/// <param name="Asked">… and frames that they attend to at once.</param>
/// <param name="Pairs">Of such frames, times queries: scores of a head, four bytes each.</param>
/// <param name="Frames">Frames that go through the rest of a layer at once.</param>
public sealed record RefinerBlocks(int Asking, int Asked, int Pairs, int Frames)
{
    /// <summary>With 100 queries of 256 channels and 8 heads some 0.2 GiB.</summary>
    public static RefinerBlocks Default { get; } = new(1024, 256, 1 << 20, 64);
}

/// <summary>
/// The temporal refiner (DVIS, section 3.2) over a video of any length, in steps over some frames each. Between the
/// steps all embeddings lie on disk: four sets of them, 0.4 MB a frame with 100 queries of 256 channels. Not
/// thread-safe.
/// </summary>
public sealed class VideoRefiner(RefinerSteps steps, ModelManifest manifest, TensorPool tensors, RefinerBlocks blocks)
    : IDisposable
{
    private readonly int _queries = manifest.Queries, _channels = manifest.HiddenSize;
    private readonly TensorSpill _memory = Spill(manifest), _mixed = Spill(manifest);
    private TensorSpill _embeds = Spill(manifest), _refined = Spill(manifest);

    /// <param name="frame">From 0 on.</param>
    /// <param name="instanceEmbeds">The tracker's, shape [Q,C].</param>
    /// <param name="memory">Of frame_forward, shape [Q,C].</param>
    public void Add(int frame, ReadOnlySpan<float> instanceEmbeds, ReadOnlySpan<float> memory)
    {
        _embeds.Write(frame, instanceEmbeds);
        _memory.Write(frame, memory);
    }

    /// <summary>After the last of <paramref name="count"/> frames, once.</summary>
    /// <param name="write">Gets each frame's mask embeddings, shape [Q,Cm].</param>
    /// <returns>Class logits of the video, shape [Q,K+1].</returns>
    /// <exception cref="ModelException">A step failed.</exception>
    public float[] Refine(int count, MaskEmbedsWriter write, CancellationToken stop)
    {
        using var layer = tensors.Rent(1);
        for (var number = 0; number < manifest.RefinerLayers; number++)
        {
            layer.Span[0] = number;
            for (var query = 0; query < _queries;) query += Attend(layer, query, count, stop);
            for (var first = 0; first < count; first += blocks.Frames)
            {
                stop.ThrowIfCancellationRequested();
                Finish(layer, first, Math.Min(blocks.Frames, count - first), count);
            }

            (_embeds, _refined) = (_refined, _embeds);
        }

        return Conclude(count, write, stop);
    }

    public void Dispose()
    {
        foreach (var spill in (TensorSpill[])[_memory, _mixed, _embeds, _refined]) spill.Dispose();
    }

    private static TensorSpill Spill(ModelManifest manifest) =>
        new(manifest.Queries * manifest.HiddenSize, half: false);

    /// <summary>Attention over time of as many queries as there is room for; returns their number.</summary>
    private int Attend(Tensor layer, int query, int count, CancellationToken stop)
    {
        var room = blocks.Pairs / (Math.Min(blocks.Asking, count) * Math.Min(blocks.Asked, count));
        var queries = Math.Clamp(room, 1, _queries - query);
        for (var first = 0; first < count; first += blocks.Asking)
        {
            stop.ThrowIfCancellationRequested();
            var asking = Math.Min(blocks.Asking, count - first);
            using var embeds = Read(_embeds, first, asking, query, queries);
            using var mixed = tensors.Rent(embeds.Shape);
            using var weights = tensors.Rent(asking, queries, manifest.RefinerHeads);
            using var mixedPart = tensors.Rent(embeds.Shape);
            using var weightsPart = tensors.Rent(weights.Shape);
            for (var from = 0; from < count; from += blocks.Asked)
            {
                using var block = Read(_embeds, from, Math.Min(blocks.Asked, count - from), query, queries);
                if (from == 0)
                {
                    steps.Attention.Run([layer, embeds, block], [mixed, weights]);
                }
                else
                {
                    steps.Attention.Run([layer, embeds, block], [mixedPart, weightsPart]);
                    WeightedMeans.Merge(mixed.Span, weights.Span, mixedPart.Span, weightsPart.Span);
                }
            }

            Write(_mixed, first, mixed.Span, query, queries);
        }

        return queries;
    }

    /// <summary>The rest of a layer for frames <paramref name="first"/> and following,
    /// with the neighbours that they look at.</summary>
    private void Finish(Tensor layer, int first, int length, int count)
    {
        var from = Math.Max(0, first - RefinerSteps.Margin);
        var seen = Math.Min(first + length + RefinerSteps.Margin, count) - from;
        using var embeds = Read(_embeds, from, seen, 0, _queries);
        using var mixed = Read(_mixed, from, seen, 0, _queries);
        using var memory = Read(_memory, from, seen, 0, _queries);
        using var refined = tensors.Rent(embeds.Shape);
        steps.Layer.Run([layer, embeds, mixed, memory], [refined]);
        Write(_refined, first, refined.Span.Slice((first - from) * _refined.RowLength, length * _refined.RowLength), 0,
            _queries);
    }

    private float[] Conclude(int count, MaskEmbedsWriter write, CancellationToken stop)
    {
        using var logits = tensors.Rent(_queries, manifest.ClassCount + 1);
        using var weights = tensors.Rent(_queries, 1);
        using var logitsPart = tensors.Rent(logits.Shape);
        using var weightsPart = tensors.Rent(weights.Shape);
        var row = _queries * manifest.MaskChannels;
        for (var first = 0; first < count; first += blocks.Frames)
        {
            stop.ThrowIfCancellationRequested();
            var length = Math.Min(blocks.Frames, count - first);
            using var embeds = Read(_embeds, first, length, 0, _queries);
            using var maskEmbeds = tensors.Rent(length, _queries, manifest.MaskChannels);
            if (first == 0)
            {
                steps.Heads.Run([embeds], [logits, weights, maskEmbeds]);
            }
            else
            {
                steps.Heads.Run([embeds], [logitsPart, weightsPart, maskEmbeds]);
                WeightedMeans.Merge(logits.Span, weights.Span, logitsPart.Span, weightsPart.Span);
            }

            for (var i = 0; i < length; i++) write(first + i, maskEmbeds.Span.Slice(i * row, row));
        }

        return logits.Span.ToArray();
    }

    /// <summary>Some queries of some frames, shape [frames,queries,C].</summary>
    private Tensor Read(TensorSpill spill, int first, int frames, int query, int queries)
    {
        var tensor = tensors.Rent(frames, queries, _channels);
        var size = queries * _channels;
        for (var i = 0; i < frames; i++) spill.Read(first + i, tensor.Span.Slice(i * size, size), query * _channels);
        return tensor;
    }

    /// <param name="values">Shape [frames,queries,C].</param>
    private void Write(TensorSpill spill, int first, ReadOnlySpan<float> values, int query, int queries)
    {
        var size = queries * _channels;
        for (var i = 0; i * size < values.Length; i++)
            spill.Write(first + i, values.Slice(i * size, size), query * _channels);
    }
}

/// <param name="maskEmbeds">Shape [Q,Cm].</param>
public delegate void MaskEmbedsWriter(int frame, ReadOnlySpan<float> maskEmbeds);
