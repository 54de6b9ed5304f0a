using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// The DVIS referring tracker, one frame at a time (DVIS, section 3.1). State of a camera: the last matched segmenter queries
/// and the tracker's last raw output, both [Q,C]; nothing else, so a stream may be endless. Not thread-safe.
/// </summary>
public sealed class ReferringTracker : IDisposable
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

    public ReferringTracker(DvisModels models, TensorPool pool)
        : this(models.Tracker, models.Manifest, models.Manifest.Matching, pool)
    {
    }

    /// <param name="tracker">A graph of the tracker's contract; its owner keeps it.</param>
    public ReferringTracker(IModel tracker, ModelManifest manifest, MatchingRule rule, TensorPool pool)
    {
        (_model, _pool) = (tracker, pool);
        (_queries, _channels, _maskChannels, _logits) = (manifest.Queries, manifest.HiddenSize, manifest.MaskChannels, manifest.ClassCount + 1);
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

    /// <summary>One step. The three tensors of the answer are pooled and the caller's.</summary>
    public TrackerStep Step(SegmentedFrame frame)
    {
        var embeds = frame.FrameEmbeds;
        if (_first) embeds.Span.CopyTo(_matched.Span);
        else _matcher.Align(_lastMatched.Span, embeds.Span, _matched.Span);
        _isFirst.Span[0] = _first ? 1 : 0;

        var step = new TrackerStep(_pool.Rent(1, _queries, _channels), _pool.Rent(1, _queries, _logits), _pool.Rent(1, _queries, _maskChannels));
        try
        {
            (_inputs[0], _inputs[1], _inputs[2], _inputs[3]) = (embeds, _matched, _lastReference, _isFirst);
            (_outputs[0], _outputs[1], _outputs[2], _outputs[3]) = (step.InstanceEmbeds, _reference, step.Logits, step.MaskEmbeds);
            _model.Run(_inputs, _outputs);
        }
        catch
        {
            step.Dispose();
            throw;
        }

        (_lastMatched, _matched) = (_matched, _lastMatched);
        (_lastReference, _reference) = (_reference, _lastReference);
        _first = false;
        return step;
    }

    public void Dispose()
    {
        foreach (var tensor in (Tensor[])[_isFirst, _matched, _lastMatched, _reference, _lastReference]) tensor.Dispose();
    }
}

/// <summary>What the tracker says of one frame: instance_embeds [1,Q,C], logits [1,Q,K+1], mask_embeds [1,Q,Cm]; row = slot.</summary>
public sealed record TrackerStep(Tensor InstanceEmbeds, Tensor Logits, Tensor MaskEmbeds) : IDisposable
{
    public void Dispose()
    {
        InstanceEmbeds.Dispose();
        Logits.Dispose();
        MaskEmbeds.Dispose();
    }
}
