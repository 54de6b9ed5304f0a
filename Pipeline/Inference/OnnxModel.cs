using Dvis.Streaming.Pipeline.Memory;
using Microsoft.ML.OnnxRuntime;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// A graph on ONNX Runtime. It reads the caller's input memory and writes the caller's output memory; on the CPU, a run
/// on the tensors of a recent run allocates no managed memory. Disposing while runs are in progress lets them finish.
/// </summary>
public sealed class OnnxModel : IModel
{
    private readonly OrtSession _session;
    private readonly TensorSpec[] _inputs, _outputs;

    private OnnxModel(string name, string provider, InferenceSession session)
    {
        (Name, Provider) = (name, provider);
        try
        {
            _inputs = Describe(session.InputNames, session.InputMetadata);
            _outputs = Describe(session.OutputNames, session.OutputMetadata);
            _session = new OrtSession(session, onCpu: provider == "cpu");
        }
        catch
        {
            session.Dispose();
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

    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        CheckShapes("input", _inputs, inputs);
        CheckShapes("output", _outputs, outputs);
        try
        {
            _session.Run(inputs, outputs);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelException($"{Name}: the run failed: {OrtRuntime.Sentence(e)}", e);
        }
    }

    public void Dispose() => _session.Dispose();

    private static OnnxModel Load(
        string name, Func<SessionOptions, InferenceSession> open, string provider, RuntimeOptions options, bool arena)
    {
        try
        {
            using var settings = OrtSettings.Create(provider, options, arena);
            return new OnnxModel(name, provider, open(settings));
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelException($"{name}: {OrtRuntime.Sentence(e)}", e);
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
            if (TensorShape.Fits(specs[i].Shape, tensors[i].Shape)) continue;
            var (found, wanted) = (TensorShape.Text(tensors[i].Shape), TensorShape.Text(specs[i].Shape));
            throw new ModelException($"{Name}: {side} {specs[i].Name} has shape {found}, the graph wants {wanted}.");
        }
    }
}
