using System.Threading.Tasks.Sources;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>One camera's request, used again for every frame of that camera,
/// so that waiting for the segmenter allocates nothing.</summary>
internal sealed class SegmentRequest : IValueTaskSource<SegmentedFrame>
{
    // Continuations run on the pool: the segmenter's thread goes on with the next batch.
    private ManualResetValueTaskSourceCore<SegmentedFrame> _answer = new() { RunContinuationsAsynchronously = true };
    private FrameInfo _info = null!;
    private Tensor? _image;

    /// <summary>From <see cref="Begin"/> until the answer was taken.</summary>
    public bool Pending { get; private set; }

    public InputGeometry Geometry { get; private set; }

    /// <summary>Shape [1,3,PaddedHeight,PaddedWidth]; the request owns it until it is answered.</summary>
    public Tensor Image => _image!;

    public long Begun { get; private set; }

    public long Queued { get; private set; }

    public ValueTask<SegmentedFrame> Begin(FrameInfo info, InputGeometry geometry, Tensor image, long begun,
        long queued)
    {
        Pending = true;
        _answer.Reset();
        (_info, Geometry, _image, Begun, Queued) = (info, geometry, image, begun, queued);
        return new ValueTask<SegmentedFrame>(this, _answer.Version);
    }

    public void Complete(Tensor frameEmbeds, Tensor maskFeatures, SegmentTimes times)
    {
        var frame = new SegmentedFrame(_info, Geometry, frameEmbeds, maskFeatures, times);
        ReleaseImage();
        _answer.SetResult(frame);
    }

    public void Fail(Exception failure)
    {
        ReleaseImage();
        _answer.SetException(failure);
    }

    private void ReleaseImage()
    {
        _image!.Dispose();
        _image = null;
    }

    SegmentedFrame IValueTaskSource<SegmentedFrame>.GetResult(short token)
    {
        Pending = false;
        return _answer.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<SegmentedFrame>.GetStatus(short token) => _answer.GetStatus(token);

    void IValueTaskSource<SegmentedFrame>.OnCompleted(Action<object?> continuation, object? state, short token,
        ValueTaskSourceOnCompletedFlags flags)
        => _answer.OnCompleted(continuation, state, token, flags);
}
