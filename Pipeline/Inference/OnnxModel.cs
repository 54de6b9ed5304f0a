using Dvis.Streaming.Pipeline.Memory;
using Microsoft.ML.OnnxRuntime;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// A graph on ONNX Runtime. It reads the caller's input memory and writes the caller's output memory; on the CPU, a run
/// on the tensors of a recent run allocates no managed memory. A dispose while runs are in progress takes effect when
/// the last of them has ended; the library itself would free the session under them.
/// </summary>
public sealed class OnnxModel : IModel
{
    // Sets of tensors that recur among the last 16 run without garbage: those of frame_forward, most of the refiner's.
    // Segmenter and tracker meet another set with every frame, because windows keep some of their tensors.
    private const int MaxKept = 16;

    private readonly InferenceSession _session;
    private readonly TensorSpec[] _inputs, _outputs;
    private readonly RunOptions _options = new();
    private readonly Lock _gate = new();

    // Under _gate.
    private readonly List<BoundRun> _kept = new(MaxKept + 1); // most recently used last
    private int _running;
    private bool _disposed;

    private OnnxModel(string name, string provider, InferenceSession session)
    {
        (Name, Provider, _session) = (name, provider, session);
        try
        {
            _inputs = Describe(session.InputNames, session.InputMetadata);
            _outputs = Describe(session.OutputNames, session.OutputMetadata);
        }
        catch
        {
            Release();
            throw;
        }
    }

    public string Name { get; }

    public IReadOnlyList<TensorSpec> Inputs => _inputs;

    public IReadOnlyList<TensorSpec> Outputs => _outputs;

    /// <summary>Execution provider: <c>cpu</c>, <c>cuda</c> or <c>tensorrt</c>.</summary>
    public string Provider { get; }

    /// <param name="path">ONNX file.</param>
    /// <param name="provider">Execution provider, one that <see cref="ExecutionProviders"/> has chosen.</param>
    /// <param name="arena">False: slower, and no more memory than a run needs.</param>
    /// <exception cref="ModelException">
    /// No such file, not an ONNX graph of float32 tensors, or the provider cannot run it.
    /// </exception>
    public static OnnxModel Load(string path, string provider, RuntimeOptions options, bool arena = true)
    {
        if (!File.Exists(path)) throw new ModelException($"{path}: there is no such file.");
        return Load(path, settings => new InferenceSession(path, settings), provider, options, arena);
    }

    /// <param name="name">For messages.</param>
    /// <param name="graph">Bytes of an ONNX file; copied.</param>
    /// <inheritdoc cref="Load(string, string, RuntimeOptions, bool)"/>
    public static OnnxModel Load(string name, byte[] graph, string provider, RuntimeOptions options)
        => Load(name, settings => new InferenceSession(graph, settings), provider, options, arena: true);

    /// <summary>
    /// Runs the graph once; without managed allocation when these tensors are bound already, else with about 80 B per
    /// tensor that differs.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The model, or a tensor, was disposed.</exception>
    /// <inheritdoc/>
    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        CheckShapes("input", _inputs, inputs);
        CheckShapes("output", _outputs, outputs);
        var run = Take(inputs, outputs);
        var succeeded = false;
        try
        {
            run.Bind(inputs, outputs);
            run.Run(_options);
            succeeded = true;
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelException($"{Name}: the run failed: {OrtRuntime.Sentence(e.Message)}", e);
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

    private static OnnxModel Load(
        string name, Func<SessionOptions, InferenceSession> open, string provider, RuntimeOptions options, bool arena)
    {
        try
        {
            using var settings = OrtRuntime.Settings(provider, options, arena);
            return new OnnxModel(name, provider, open(settings));
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelException($"{name}: {OrtRuntime.Sentence(e.Message)}", e);
        }
    }

    private TensorSpec[] Describe(IReadOnlyList<string> names, IReadOnlyDictionary<string, NodeMetadata> metadata)
        => [.. names.Select(name => new TensorSpec(name, Shape(name, metadata[name])))];

    private long[] Shape(string name, NodeMetadata node)
    {
        var type = node.IsTensor ? node.ElementDataType.ToString() : node.OnnxValueType.ToString();
        if (type != "Float") throw new ModelException($"{Name}: {name} is not a float32 tensor (ONNX type {type}).");
        return Array.ConvertAll(node.Dimensions, side => (long)side);
    }

    private void CheckShapes(string side, TensorSpec[] specs, ReadOnlySpan<Tensor> tensors)
    {
        var (given, expected) = (tensors.Length, specs.Length);
        if (given != expected)
            throw new ModelException($"{Name}: {given} {side} tensors were given, the graph has {expected}.");
        for (var i = 0; i < specs.Length; i++)
        {
            if (specs[i].Fits(tensors[i].Shape)) continue;
            var (found, wanted) = (TensorSpec.Text(tensors[i].Shape), TensorSpec.Text(specs[i].Shape));
            throw new ModelException($"{Name}: {side} {specs[i].Name} has shape {found}, the graph has {wanted}.");
        }
    }

    /// <summary>The kept run with these tensors; else a new one, or the oldest when enough are kept.</summary>
    private BoundRun Take(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var i = _kept.Count - 1;
            while (i >= 0 && !_kept[i].Holds(inputs, outputs)) i--;
            if (i < 0 && _kept.Count == MaxKept) i = 0;
            var run = i < 0 ? new BoundRun(_session, onCpu: Provider == "cpu") : _kept[i];
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
        _session.Dispose();
    }
}
