using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>
/// TAR frame by frame: a tracklet attends to its embedding in this frame and to its refined ones in the window's other
/// frames (RefineVIS, section 3.3). The memory is (W-1)·Q·C floats. One per camera; not thread-safe.
/// </summary>
public sealed class OnlineRefinement(TemporalRefinement refinement, ModelManifest manifest, TensorPool pool)
{
    private readonly int _channels = manifest.HiddenSize, _length = manifest.TemporalWindow - 1;

    // Refined embeddings by slot, one array per frame, [Q,C]; zeros where the slot was empty. Ring.
    private readonly float[][] _memory = [.. Enumerable.Range(1, manifest.TemporalWindow - 1)
        .Select(_ => new float[manifest.Queries * manifest.HiddenSize])];
    private readonly float[] _numbers = new float[manifest.TemporalWindow];
    private long _frames;

    /// <summary>Refines a frame. The answer, of T = 1, is the caller's.</summary>
    /// <param name="number">Frame number, modulo the period.</param>
    /// <param name="slots">Slots with a tracklet, at least one.</param>
    /// <param name="embeds">Embeddings by slot, shape [Q,C]; zeros where a tracklet has no detection.</param>
    /// <exception cref="ModelException">The graph failed.</exception>
    public RefinedTracklets Step(float number, List<int> slots, ReadOnlySpan<float> embeds)
    {
        var known = (int)Math.Min(_frames, _length);
        using var query = pool.Rent(1, slots.Count, _channels);
        using var queryFrame = pool.Rent(1);
        using var window = pool.Rent(known + 1, slots.Count, _channels);
        using var windowFrames = pool.Rent(known + 1);
        for (var w = 0; w < known; w++)
        {
            var place = (int)((_frames - known + w) % _length);
            Gather(_memory[place], slots, window.Span[(w * query.Length)..]);
            windowFrames.Span[w] = _numbers[place];
        }

        Gather(embeds, slots, query.Span);
        query.Span.CopyTo(window.Span[(known * query.Length)..]);
        queryFrame.Span[0] = windowFrames.Span[known] = number;
        var refined = refinement.Run(query, queryFrame, window, windowFrames);
        Remember(number, slots, refined.Embeds.Span);
        return refined;
    }

    /// <summary>Adds a frame without tracklets.</summary>
    public void Skip(float number) => Remember(number, [], []);

    /// <summary>Begins a new epoch.</summary>
    public void Reset() => _frames = 0;

    /// <summary>Rows of these slots, shape [N,C], of rows by slot.</summary>
    internal void Gather(ReadOnlySpan<float> bySlot, List<int> slots, Span<float> rows)
    {
        for (var i = 0; i < slots.Count; i++)
            bySlot.Slice(slots[i] * _channels, _channels).CopyTo(rows[(i * _channels)..]);
    }

    private void Remember(float number, List<int> slots, ReadOnlySpan<float> refined)
    {
        if (_length == 0) return;
        var place = (int)(_frames++ % _length);
        Array.Clear(_memory[place]);
        for (var i = 0; i < slots.Count; i++)
            refined.Slice(i * _channels, _channels).CopyTo(_memory[place].AsSpan(slots[i] * _channels));
        _numbers[place] = number;
    }
}
