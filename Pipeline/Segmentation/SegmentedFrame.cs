using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>
/// The segmenter's answer for one frame. One owner, who disposes it or hands it on; the tensors are pooled.
/// </summary>
public sealed class SegmentedFrame(
    FrameInfo info, InputGeometry geometry, Tensor frameEmbeds, Tensor maskFeatures, SegmentWork work) : IDisposable
{
    private Tensor? _frameEmbeds = frameEmbeds, _maskFeatures = maskFeatures;

    public FrameInfo Info { get; } = info;

    public InputGeometry Geometry { get; } = geometry;

    public SegmentWork Work { get; } = work;

    /// <summary>Query embeddings, shape [1,Q,C].</summary>
    public Tensor FrameEmbeds => Live(_frameEmbeds);

    /// <summary>Mask features, shape [1,Cm,MaskHeight,MaskWidth].</summary>
    public Tensor MaskFeatures => Live(_maskFeatures);

    /// <summary>Takes the mask features out: the caller owns them.</summary>
    public Tensor TakeMaskFeatures() => Live(Interlocked.Exchange(ref _maskFeatures, null));

    /// <summary>Takes the query embeddings out: the caller owns them.</summary>
    public Tensor TakeFrameEmbeds() => Live(Interlocked.Exchange(ref _frameEmbeds, null));

    public void Dispose()
    {
        Interlocked.Exchange(ref _frameEmbeds, null)?.Dispose();
        Interlocked.Exchange(ref _maskFeatures, null)?.Dispose();
    }

    private Tensor Live(Tensor? tensor) => tensor ?? throw new ObjectDisposedException(nameof(SegmentedFrame),
        $"Frame {Info.FrameId} of camera {Info.Camera} was disposed or handed on.");
}

/// <summary>Work of one frame's segmentation.</summary>
/// <param name="Duration">Preprocessing and the run of the batch, without the wait between.</param>
/// <param name="Batch">Frames in that batch.</param>
public readonly record struct SegmentWork(TimeSpan Duration, int Batch);
