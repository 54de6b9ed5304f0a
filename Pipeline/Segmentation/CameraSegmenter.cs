using System.Threading.Tasks.Sources;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>
/// Access of one camera to the shared segmenter, opened by <see cref="SegmenterBatcher.Open"/>. Preprocesses on the
/// caller's thread, so that cameras prepare their frames in parallel. It is the request, too, and reused: waiting for
/// the segmenter allocates nothing, and an answer must be awaited before the next call. Not thread-safe.
/// </summary>
public sealed class CameraSegmenter : IValueTaskSource<SegmentedFrame>, IDisposable
{
    private readonly SegmentQueue _queue;
    private readonly TensorPool _pool;
    private readonly PipelineMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly FramePreprocessor _preprocessor;
    private bool _pending; // from a request until its answer was taken
    private bool _disposed;

    // Continuations run on the pool: the segmenter's thread goes on with the next batch.
    private ManualResetValueTaskSourceCore<SegmentedFrame> _answer = new() { RunContinuationsAsynchronously = true };
    private FrameInfo _info = null!;
    private Tensor? _image;

    internal CameraSegmenter(
        SegmentQueue queue, ModelManifest manifest, TensorPool pool, PipelineMetrics metrics, TimeProvider time)
    {
        (_queue, _pool, _metrics, _time) = (queue, pool, metrics, time);
        _preprocessor = new FramePreprocessor(manifest.Input, manifest.MaskStride);
    }

    internal InputGeometry Geometry { get; private set; }

    /// <summary>Shape [1,3,PaddedHeight,PaddedWidth]; owned until the request is answered.</summary>
    internal Tensor Image => _image!;

    /// <summary>Duration of preprocessing.</summary>
    internal TimeSpan Preprocessed { get; private set; }

    /// <summary><see cref="TimeProvider.GetTimestamp"/> at the end of preprocessing.</summary>
    internal long Queued { get; private set; }

    /// <summary>
    /// Segments one frame. The frame stays the caller's and is not touched after this call has returned; the answer is
    /// the caller's, too.
    /// </summary>
    /// <exception cref="ModelException">The run failed (awaited); the next frame may be tried.</exception>
    /// <exception cref="ObjectDisposedException">This or the segmenter has stopped.</exception>
    /// <exception cref="InvalidOperationException">The last frame's answer was not there yet.</exception>
    public ValueTask<SegmentedFrame> SegmentAsync(Frame frame)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_pending) throw new InvalidOperationException("One frame at a time: the last answer has not come yet.");
        var started = _time.GetTimestamp();
        Geometry = _preprocessor.GeometryOf(frame.Width, frame.Height);
        _image = _pool.Rent(1, 3, Geometry.PaddedHeight, Geometry.PaddedWidth);
        _preprocessor.Run(frame, _image.Span);
        Queued = _time.GetTimestamp();
        Preprocessed = _time.GetElapsedTime(started, Queued);
        _metrics.StageDuration("preprocess", Preprocessed.TotalSeconds);

        (_info, _pending) = (frame.Info, true);
        _answer.Reset();
        var answer = new ValueTask<SegmentedFrame>(this, _answer.Version);
        if (!_queue.TryAdd(this)) Fail(new ObjectDisposedException(nameof(SegmenterBatcher)));
        return answer;
    }

    /// <summary>Leaves the segmenter. A frame in flight is answered; the caller of the await owns the answer.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _queue.RemoveProducer();
    }

    internal void Complete(Tensor frameEmbeds, Tensor maskFeatures, SegmentWork work)
    {
        var frame = new SegmentedFrame(_info, Geometry, frameEmbeds, maskFeatures, work);
        ReleaseImage();
        _answer.SetResult(frame);
    }

    internal void Fail(Exception failure)
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
        _pending = false;
        return _answer.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<SegmentedFrame>.GetStatus(short token) => _answer.GetStatus(token);

    void IValueTaskSource<SegmentedFrame>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _answer.OnCompleted(continuation, state, token, flags);
}
