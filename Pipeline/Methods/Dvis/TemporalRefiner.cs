using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods.Dvis;

/// <summary>Refiner of DVIS over a clip (section 3.2); a frame's memory is computed once. Not thread-safe.</summary>
public sealed class TemporalRefiner(ModelGraphs graphs, TensorPool pool)
{
    // Frames of one run of frame_forward: more need more memory and are not faster.
    private const int MemoryBatch = 32;

    private readonly int _queries = graphs.Manifest.Queries, _channels = graphs.Manifest.HiddenSize;
    private readonly IModel _forward = graphs[MethodContract.FrameForward], _refiner = graphs[MethodContract.Refiner];
    private readonly List<DvisFrame> _new = [];

    /// <param name="window">Frames of type <see cref="DvisFrame"/>, oldest first.</param>
    /// <inheritdoc cref="IVideoMethod.Revise"/>
    public ClipRevision Refine(IReadOnlyList<QueryFrame> window)
    {
        var size = _queries * _channels;
        using var instance = pool.Rent(window.Count, _queries, _channels);
        using var memory = pool.Rent(window.Count, _queries, _channels);
        Remember(window);
        for (var t = 0; t < window.Count; t++)
        {
            var frame = (DvisFrame)window[t];
            frame.InstanceEmbeds.Span.CopyTo(instance.Span[(t * size)..]);
            frame.Memory!.Span.CopyTo(memory.Span[(t * size)..]);
        }

        var manifest = graphs.Manifest;
        var revision = new ClipRevision(
            pool.Rent(_queries, manifest.ClassCount + 1), pool.Rent(window.Count, _queries, manifest.MaskChannels));
        try
        {
            _refiner.Run([instance, memory], [revision.Logits, revision.MaskEmbeds]);
            return revision;
        }
        catch
        {
            revision.Dispose();
            throw;
        }
    }

    /// <summary>Runs <c>frame_forward</c> on the frames that have come since the last clip.</summary>
    private void Remember(IReadOnlyList<QueryFrame> window)
    {
        for (var t = 0; t < window.Count; t++)
        {
            if (window[t] is DvisFrame { Memory: null } frame) _new.Add(frame);
            if (_new.Count == MemoryBatch || (t == window.Count - 1 && _new.Count > 0)) Run();
        }

        void Run()
        {
            var (size, frames) = (_queries * _channels, _new.ToArray());
            _new.Clear();
            using var embeds = pool.Rent(frames.Length, _queries, _channels);
            using var memory = pool.Rent(frames.Length, _queries, _channels);
            for (var i = 0; i < frames.Length; i++) frames[i].FrameEmbeds.Span.CopyTo(embeds.Span[(i * size)..]);
            _forward.Run([embeds], [memory]);
            for (var i = 0; i < frames.Length; i++)
            {
                var row = pool.Rent(1, _queries, _channels);
                memory.Span.Slice(i * size, size).CopyTo(row.Span);
                frames[i].Remember(row);
            }
        }
    }
}

/// <summary>Frame for the refiner, with the segmenter's queries until its memory is computed.</summary>
/// <param name="answer">The tracker's; its tensors are owned.</param>
/// <param name="frameEmbeds">Queries in the segmenter's own order, shape [1,Q,C]; owned.</param>
public sealed class DvisFrame(QueryFrame answer, Tensor frameEmbeds)
    : QueryFrame(answer.InstanceEmbeds, answer.Logits, answer.MaskEmbeds)
{
    internal Tensor FrameEmbeds => frameEmbeds;

    /// <summary>Answer of <c>frame_forward</c>, shape [1,Q,C]; null: not computed yet.</summary>
    internal Tensor? Memory { get; private set; }

    public override void Dispose()
    {
        base.Dispose();
        frameEmbeds.Dispose();
        Memory?.Dispose();
    }

    internal void Remember(Tensor memory)
    {
        Memory = memory;
        frameEmbeds.Dispose();
    }
}
