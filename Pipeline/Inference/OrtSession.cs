using Dvis.Streaming.Pipeline.Memory;
using Microsoft.ML.OnnxRuntime;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// Session of one graph, used by several threads at once. A dispose while runs are in progress takes effect when the
/// last of them has ended; the library itself would free the session under them.
/// </summary>
internal sealed class OrtSession(InferenceSession session, bool onCpu) : IDisposable
{
    // Sets of tensors that recur among the last 16 run without garbage: those of frame_forward, most of the refiner's.
    // Segmenter and tracker meet another set with every frame, because windows keep some of their tensors.
    private const int MaxKept = 16;

    private readonly RunOptions _options = new();
    private readonly Lock _gate = new();

    // Under _gate.
    private readonly List<BoundRun> _kept = new(MaxKept + 1); // most recently used last
    private int _running;
    private bool _disposed;

    /// <summary>
    /// Runs the graph once on these tensors; without managed allocation when a kept run has them bound already, else
    /// with about 80 B per tensor that differs.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The session, or a tensor, was disposed.</exception>
    /// <exception cref="OnnxRuntimeException">The run failed.</exception>
    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var run = Take(inputs, outputs);
        var succeeded = false;
        try
        {
            run.Bind(inputs, outputs);
            run.Run(_options);
            succeeded = true;
        }
        finally
        {
            Return(run, keep: succeeded);
            // Their finalizers must not free the memory under the native call.
            foreach (var tensor in inputs) GC.KeepAlive(tensor);
            foreach (var tensor in outputs) GC.KeepAlive(tensor);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            if (_running == 0) Release();
        }
    }

    /// <summary>
    /// The kept run with these tensors; else a new one, or, when <see cref="MaxKept"/> are kept, the one used longest
    /// ago.
    /// </summary>
    private BoundRun Take(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var i = _kept.Count - 1;
            while (i >= 0 && !_kept[i].Holds(inputs, outputs)) i--;
            if (i < 0 && _kept.Count == MaxKept) i = 0;
            var run = i < 0 ? new BoundRun(session, onCpu) : _kept[i];
            if (i >= 0) _kept.RemoveAt(i);
            _running++;
            return run;
        }
    }

    private void Return(BoundRun run, bool keep)
    {
        lock (_gate)
        {
            if (keep) _kept.Add(run);
            else run.Dispose();
            if (_kept.Count > MaxKept)
            {
                _kept[0].Dispose();
                _kept.RemoveAt(0);
            }

            if (--_running == 0 && _disposed) Release();
        }
    }

    private void Release()
    {
        foreach (var run in _kept) run.Dispose();
        _kept.Clear();
        _options.Dispose();
        session.Dispose();
    }
}
