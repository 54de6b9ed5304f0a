using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// Tracker of slots from frame to frame: it brings the segmenter's queries into the order of the slots and runs a graph
/// on them (DVIS, section 3.1). Its state is the last matched queries and the graph's last raw output, both [Q,C]. Not
/// thread-safe.
/// </summary>
/// <param name="graph">Tensors of <c>tracker</c> or <c>matcher</c>; its owner keeps it.</param>
public sealed class QueryTracker(IModel graph, ModelManifest manifest, MatchingRule rule, TensorPool pool) : IDisposable
{
    private readonly QueryMatcher _matcher = new(manifest.Queries, manifest.HiddenSize, rule);
    private readonly Tensor _isFirst = new(1);
    private readonly Tensor[] _inputs = new Tensor[4], _outputs = new Tensor[4];

    // Two of each: the graph reads the last frame's while it writes this one's.
    private Tensor _matched = Queries(manifest), _lastMatched = Queries(manifest);
    private Tensor _reference = Queries(manifest), _lastReference = Queries(manifest);
    private bool _first = true;

    /// <summary>Makes the next frame a first frame: no slot continues.</summary>
    public void Reset()
    {
        _first = true;
        _lastReference.Span.Clear();
    }

    /// <summary>One step. The answer is the caller's.</summary>
    /// <param name="embeds">The segmenter's queries in its own order, shape [1,Q,C].</param>
    public QueryFrame Step(Tensor embeds)
    {
        var sources = new int[manifest.Queries];
        if (_first) TakeInOrder(embeds, sources);
        else _matcher.Align(_lastMatched.Span, embeds.Span, _matched.Span, sources);
        _isFirst.Span[0] = _first ? 1 : 0;

        var queries = manifest.Queries;
        var answer = new QueryFrame(
            pool.Rent(1, queries, manifest.HiddenSize), pool.Rent(1, queries, manifest.ClassCount + 1),
            pool.Rent(1, queries, manifest.MaskChannels))
        {
            Sources = sources,
        };
        try
        {
            (_inputs[0], _inputs[1], _inputs[2], _inputs[3]) = (embeds, _matched, _lastReference, _isFirst);
            (_outputs[0], _outputs[1]) = (answer.InstanceEmbeds, _reference);
            (_outputs[2], _outputs[3]) = (answer.Logits, answer.MaskEmbeds);
            graph.Run(_inputs, _outputs);
        }
        catch
        {
            answer.Dispose();
            throw;
        }

        (_lastMatched, _matched) = (_matched, _lastMatched);
        (_lastReference, _reference) = (_reference, _lastReference);
        _first = false;
        return answer;
    }

    public void Dispose()
    {
        Tensor[] tensors = [_isFirst, _matched, _lastMatched, _reference, _lastReference];
        foreach (var tensor in tensors) tensor.Dispose();
    }

    private void TakeInOrder(Tensor embeds, int[] sources)
    {
        embeds.Span.CopyTo(_matched.Span);
        for (var slot = 0; slot < sources.Length; slot++) sources[slot] = slot;
    }

    private static Tensor Queries(ModelManifest manifest) => new(1, manifest.Queries, manifest.HiddenSize);
}
