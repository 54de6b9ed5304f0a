using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>
/// One camera's way to the shared segmenter, opened by <see cref="SegmenterBatcher.Open"/>. Preprocesses on the
/// caller's thread, so that cameras prepare their frames in parallel. One frame at a time: await the answer before the
/// next call. Not thread-safe.
/// </summary>
public sealed class CameraSegmenter : IDisposable
{
    private readonly SegmentQueue _queue;
    private readonly TensorPool _pool;
    private readonly PipelineMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly FramePreprocessor _preprocessor;
    private readonly SegmentRequest _request = new();
    private bool _disposed;

    internal CameraSegmenter(SegmentQueue queue, ModelManifest manifest, TensorPool pool, PipelineMetrics metrics,
        TimeProvider time)
    {
        (_queue, _pool, _metrics, _time) = (queue, pool, metrics, time);
        _preprocessor = new FramePreprocessor(manifest.Input, manifest.MaskStride);
    }

    /// <summary>Segments one frame. The frame stays the caller's and is not touched after this call has returned;
    /// the answer is the caller's too.</summary>
    /// <exception cref="ModelException">The run failed (awaited); the next frame may be tried.</exception>
    /// <exception cref="ObjectDisposedException">This or the segmenter has stopped.</exception>
    /// <exception cref="InvalidOperationException">The last frame's answer was not there yet.</exception>
    public ValueTask<SegmentedFrame> SegmentAsync(Frame frame)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_request.Pending)
            throw new InvalidOperationException("One frame at a time: the last answer has not come yet.");
        var begun = _time.GetTimestamp();
        var geometry = _preprocessor.GeometryOf(frame.Width, frame.Height);
        var image = _pool.Rent(1, 3, geometry.PaddedHeight, geometry.PaddedWidth);
        _preprocessor.Run(frame, image.Span);
        var queued = _time.GetTimestamp();
        _metrics.StageDuration("preprocess", _time.GetElapsedTime(begun, queued).TotalSeconds);

        var answer = _request.Begin(frame.Info, geometry, image, begun, queued);
        if (!_queue.TryAdd(_request)) _request.Fail(new ObjectDisposedException(nameof(SegmenterBatcher)));
        return answer;
    }

    /// <summary>The camera goes. A frame still in flight is answered all the same;
    /// whoever awaits it owns the answer.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _queue.RemoveProducer();
    }
}
