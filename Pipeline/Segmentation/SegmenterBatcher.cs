using System.Diagnostics;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Segmentation;

/// <summary>
/// The segmenter, shared by all cameras. Each camera opens its own <see cref="CameraSegmenter"/> and has at most one
/// frame in flight; one thread takes the oldest frame with those of the same input size and runs the graph once.
/// </summary>
public sealed class SegmenterBatcher : IAsyncDisposable
{
    private readonly IModel _segmenter;
    private readonly ModelManifest _manifest;
    private readonly BatchOptions _options;
    private readonly TensorPool _pool;
    private readonly PipelineMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly SegmentQueue _queue = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Used by the run thread only.
    private readonly List<CameraSegmenter> _batch = [];
    private readonly Tensor[] _outputs = new Tensor[3];
    private int _answered; // the first of _batch, which may already be in use for their next frames

    public SegmenterBatcher(IModel segmenter, ModelManifest manifest, BatchOptions options, TensorPool pool,
        PipelineMetrics metrics, TimeProvider time)
    {
        (_segmenter, _manifest, _options, _pool, _metrics, _time) = (segmenter, manifest, options, pool, metrics, time);
        // A graph run blocks in native code for its whole length: on the pool it would starve the rest of the daemon.
        new Thread(Run) { IsBackground = true, Name = "dvis-segmenter" }.Start();
    }

    /// <summary>Cameras that have opened it.</summary>
    public int Cameras => _queue.Producers;

    /// <summary>Access of one camera; dispose it with the camera.</summary>
    /// <exception cref="ObjectDisposedException">The segmenter has stopped.</exception>
    public CameraSegmenter Open()
    {
        _queue.AddProducer();
        return new CameraSegmenter(_queue, _manifest, _pool, _metrics, _time);
    }

    /// <summary>Runs what waits and ends the thread.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Complete();
        await _ended.Task;
    }

    private void Run()
    {
        while (_queue.Take(_batch, _options.Max, _options.Timeout))
        {
            _answered = 0;
            try
            {
                RunBatch();
            }
            catch (Exception e) // a failure of these requests; unhandled on this thread it would end the process
            {
                var failure = e as ModelException
                    ?? new ModelException($"{_segmenter.Name}: the segmenter failed: {e.Message}", e);
                while (_answered < _batch.Count) _batch[_answered++].Fail(failure);
            }

            _batch.Clear();
        }

        _ended.SetResult();
    }

    private void RunBatch()
    {
        var started = _time.GetTimestamp();
        var n = _batch.Count;
        var g = _batch[0].Geometry;
        _outputs[0] = _pool.Rent(n, _manifest.FrameQueries, _manifest.HiddenSize);
        _outputs[1] = _pool.Rent(n, _manifest.MaskChannels, g.MaskHeight, g.MaskWidth);
        _outputs[2] = _pool.Rent(n, _manifest.FrameQueries, _manifest.ClassCount + 1);
        var handedOn = false;
        try
        {
            RunGraph(n, g);
            var elapsed = Measure(started);
            handedOn = n == 1; // a batch of one hands on what the graph wrote
            while (_answered < n)
            {
                var i = _answered;
                var (embeds, features) = (Part(_outputs[0], i, n), Part(_outputs[1], i, n));
                var work = new SegmentWork(_batch[i].Preprocessed + elapsed, n);
                _answered++;
                _batch[i].Complete(embeds, features, work);
            }
        }
        finally
        {
            // The class logits of a single frame are not used.
            foreach (var output in handedOn ? _outputs.AsSpan(2) : _outputs) output.Dispose();
        }
    }

    private void RunGraph(int n, InputGeometry g)
    {
        if (n == 1)
        {
            _segmenter.Run([_batch[0].Image], _outputs);
            return;
        }

        using var images = _pool.Rent(n, 3, g.PaddedHeight, g.PaddedWidth);
        for (var i = 0; i < n; i++) _batch[i].Image.Span.CopyTo(Slice(images, i, n));
        _segmenter.Run([images], _outputs);
    }

    private TimeSpan Measure(long started)
    {
        var elapsed = _time.GetElapsedTime(started);
        _metrics.BatchRun("segmenter", _batch.Count);
        foreach (var request in _batch)
        {
            _metrics.StageQueued("segment", _time.GetElapsedTime(request.Queued, started).TotalSeconds);
            _metrics.StageDuration("segment", elapsed.TotalSeconds);
        }

        return elapsed;
    }

    private Tensor Part(Tensor all, int index, int count)
    {
        if (count == 1) return all;
        Span<long> shape = stackalloc long[all.Shape.Length];
        all.Shape.CopyTo(shape);
        shape[0] = 1;
        var part = _pool.Rent(shape);
        Slice(all, index, count).CopyTo(part.Span);
        return part;
    }

    private static Span<float> Slice(Tensor all, int index, int count)
    {
        var length = all.Length / count;
        Debug.Assert(length * count == all.Length);
        return all.Span.Slice(index * length, length);
    }
}
