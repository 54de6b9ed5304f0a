using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// Follows slots from frame to frame: brings the segmenter's queries into the order of the slots and runs a graph on them
/// (DVIS, section 3.1). State of a camera: the last matched queries and the graph's last raw output, both [Q,C]; nothing
/// else, so a stream may be endless. Not thread-safe.
/// </summary>
public sealed class QueryTracker : IDisposable
{
    private readonly IModel _model;
    private readonly TensorPool _pool;
    private readonly QueryMatcher _matcher;
    private readonly int _queries, _channels, _maskChannels, _logits;
    private readonly Tensor _isFirst;
    private readonly Tensor[] _inputs = new Tensor[4], _outputs = new Tensor[4];

    // Two of each: the model reads the last frame's while it writes this one's.
    private Tensor _matched, _lastMatched, _reference, _lastReference;
    private bool _first = true;

    /// <param name="graph">Tensors of <c>tracker</c> or <c>matcher</c>; its owner keeps it.</param>
    public QueryTracker(IModel graph, ModelManifest manifest, MatchingRule rule, TensorPool pool)
    {
        (_model, _pool) = (graph, pool);
        (_queries, _channels) = (manifest.Queries, manifest.HiddenSize);
        (_maskChannels, _logits) = (manifest.MaskChannels, manifest.ClassCount + 1);
        _matcher = new QueryMatcher(_queries, _channels, rule);
        _isFirst = new Tensor(1);
        _matched = new Tensor(1, _queries, _channels);
        _lastMatched = new Tensor(1, _queries, _channels);
        _reference = new Tensor(1, _queries, _channels);
        _lastReference = new Tensor(1, _queries, _channels);
    }

    /// <summary>The next frame is a first frame: nothing of what was tracked continues.</summary>
    public void Reset()
    {
        _first = true;
        _lastReference.Span.Clear();
    }

    /// <summary>One step. The answer is the caller's.</summary>
    /// <param name="embeds">The segmenter's queries in its own order, shape [1,Q,C].</param>
    public QueryFrame Step(Tensor embeds)
    {
        if (_first) embeds.Span.CopyTo(_matched.Span);
        else _matcher.Align(_lastMatched.Span, embeds.Span, _matched.Span);
        _isFirst.Span[0] = _first ? 1 : 0;

        var answer = new QueryFrame(
            _pool.Rent(1, _queries, _channels), _pool.Rent(1, _queries, _logits), _pool.Rent(1, _queries, _maskChannels));
        try
        {
            (_inputs[0], _inputs[1], _inputs[2], _inputs[3]) = (embeds, _matched, _lastReference, _isFirst);
            (_outputs[0], _outputs[1]) = (answer.InstanceEmbeds, _reference);
            (_outputs[2], _outputs[3]) = (answer.Logits, answer.MaskEmbeds);
            _model.Run(_inputs, _outputs);
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
        foreach (var tensor in (Tensor[])[_isFirst, _matched, _lastMatched, _reference, _lastReference]) tensor.Dispose();
    }
}
