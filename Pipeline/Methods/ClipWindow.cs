using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// The last <c>window</c> frames of an epoch: the newest of them pending, the older ones committed and kept as context. Embeddings
/// stay for the whole window, mask features only until their frame is committed. Owns its frames; not thread-safe.
/// </summary>
public sealed class ClipWindow<TFrame>(int window, DvisModels models, TensorPool pool) : IDisposable
    where TFrame : ClipFrame
{
    // One run over a clip of any length: the activations of more frames than this buy no speed.
    private const int MemoryBatch = 32;

    private readonly List<TFrame> _frames = [];

    // The tracker's first-frame path for each frame, [1,Q,C]; the tail of the list is not computed yet.
    private readonly List<Tensor> _memory = [];

    /// <summary>Oldest first; the last <see cref="Pending"/> are not committed.</summary>
    public IReadOnlyList<TFrame> Frames => _frames;

    public int Pending { get; private set; }

    public void Add(TFrame frame)
    {
        _frames.Add(frame);
        Pending++;
        if (_frames.Count <= window) return;
        _frames[0].Dispose();
        _frames.RemoveAt(0);
        if (_memory.Count == 0) return;
        _memory[0].Dispose();
        _memory.RemoveAt(0);
    }

    /// <summary>Lets the masks of the oldest <paramref name="count"/> pending frames go.</summary>
    public void Commit(int count)
    {
        for (var i = _frames.Count - Pending; count > 0; i++, count--, Pending--)
        {
            _frames[i].Commit();
            if (i < _memory.Count) _frames[i].FrameEmbeds.Dispose();
        }
    }

    /// <summary>Runs the refiner over the whole window (DVIS, section 3.2). The caller owns the answer.</summary>
    public RefinedClip Refine()
    {
        Remember();
        var manifest = models.Manifest;
        var (frames, queries) = (_frames.Count, manifest.Queries);
        using var instance = pool.Rent(frames, queries, manifest.HiddenSize);
        using var memory = pool.Rent(frames, queries, manifest.HiddenSize);
        var size = queries * manifest.HiddenSize;
        for (var t = 0; t < frames; t++)
        {
            _frames[t].InstanceEmbeds.Span.CopyTo(instance.Span[(t * size)..]);
            _memory[t].Span.CopyTo(memory.Span[(t * size)..]);
        }

        var clip = new RefinedClip(pool.Rent(queries, manifest.ClassCount + 1), pool.Rent(frames, queries, manifest.MaskChannels));
        try
        {
            models.Refiner!.Run([instance, memory], [clip.Logits, clip.MaskEmbeds]);
            return clip;
        }
        catch
        {
            clip.Dispose();
            throw;
        }
    }

    public void Clear()
    {
        foreach (var frame in _frames) frame.Dispose();
        foreach (var tensor in _memory) tensor.Dispose();
        _frames.Clear();
        _memory.Clear();
        Pending = 0;
    }

    public void Dispose() => Clear();

    /// <summary>frame_forward for the frames that have come since the last run.</summary>
    private void Remember()
    {
        while (_memory.Count < _frames.Count) Remember(Math.Min(MemoryBatch, _frames.Count - _memory.Count));
    }

    private void Remember(int count)
    {
        var (queries, channels) = (models.Manifest.Queries, models.Manifest.HiddenSize);
        using var embeds = pool.Rent(count, queries, channels);
        using var memory = pool.Rent(count, queries, channels);
        var size = queries * channels;
        for (var i = 0; i < count; i++) _frames[_memory.Count + i].FrameEmbeds.Span.CopyTo(embeds.Span[(i * size)..]);
        models.FrameForward!.Run([embeds], [memory]);
        for (var i = 0; i < count; i++)
        {
            var row = pool.Rent(1, queries, channels);
            memory.Span.Slice(i * size, size).CopyTo(row.Span);
            _memory.Add(row);
        }
    }
}

/// <summary>What the refiner says of a clip: logits [Q,K+1] for all its frames, mask_embeds [T,Q,Cm].</summary>
public sealed record RefinedClip(Tensor Logits, Tensor MaskEmbeds) : IDisposable
{
    public void Dispose()
    {
        Logits.Dispose();
        MaskEmbeds.Dispose();
    }
}
