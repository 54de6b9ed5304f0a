using System.Diagnostics;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Benchmarks;

/// <summary>The graphs alone, one after the other as a stream would need them:
/// the rate that no pipeline around them can pass by much.</summary>
internal sealed class ModelLoop : IDisposable
{
    private readonly ModelGraphs _models;
    private readonly int _stride;
    private readonly Tensor _image, _embeds, _features, _frameLogits, _matched, _reference, _first, _instance,
        _nextReference, _logits, _maskEmbeds;
    private readonly Tensor _newEmbeds, _newMemory, _clip, _memory, _clipLogits, _clipMasks;

    public ModelLoop(ModelGraphs models, RefinerOptions refiner, int width, int height)
    {
        var m = models.Manifest;
        (_models, _stride) = (models, refiner.Stride);
        var g = InputGeometry.For(width, height, m.Input, m.MaskStride);
        var (q, c, k) = (m.Queries, m.HiddenSize, m.ClassCount + 1);
        _image = new Tensor(1, 3, g.PaddedHeight, g.PaddedWidth);
        var random = new Random(1);
        foreach (ref var value in _image.Span) value = random.NextSingle() * 4 - 2;
        (_embeds, _features, _frameLogits) =
            (new Tensor(1, q, c), new Tensor(1, m.MaskChannels, g.MaskHeight, g.MaskWidth), new Tensor(1, q, k));
        (_matched, _reference, _first) = (new Tensor(1, q, c), new Tensor(1, q, c), new Tensor(1));
        (_instance, _nextReference, _logits, _maskEmbeds) =
            (new Tensor(1, q, c), new Tensor(1, q, c), new Tensor(1, q, k), new Tensor(1, q, m.MaskChannels));
        (_newEmbeds, _newMemory) = (new Tensor(refiner.Stride, q, c), new Tensor(refiner.Stride, q, c));
        (_clip, _memory) = (new Tensor(refiner.Window, q, c), new Tensor(refiner.Window, q, c));
        (_clipLogits, _clipMasks) = (new Tensor(q, k), new Tensor(refiner.Window, q, m.MaskChannels));
    }

    /// <summary>Frames a second over at least this long.</summary>
    public double Run(TimeSpan atLeast)
    {
        var clock = Stopwatch.StartNew();
        var frames = 0;
        do
        {
            for (var i = 0; i < _stride; i++, frames++)
            {
                _models.Segmenter.Run([_image], [_embeds, _features, _frameLogits]);
                _models[MethodContract.Tracker].Run(
                    [_embeds, _matched, _reference, _first], [_instance, _nextReference, _logits, _maskEmbeds]);
            }

            _models.Find(MethodContract.FrameForward)?.Run([_newEmbeds], [_newMemory]);
            _models.Find(MethodContract.Refiner)?.Run([_clip, _memory], [_clipLogits, _clipMasks]);
        }
        while (clock.Elapsed < atLeast);
        return frames / clock.Elapsed.TotalSeconds;
    }

    public void Dispose()
    {
        foreach (var tensor in (Tensor[])[_image, _embeds, _features, _frameLogits, _matched, _reference, _first,
            _instance, _nextReference,
                 _logits, _maskEmbeds, _newEmbeds, _newMemory, _clip, _memory, _clipLogits, _clipMasks])
            tensor.Dispose();
    }
}
