using System.Text;
using Dvis.Streaming.Pipeline.Inference.Onnx;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// A graph on ONNX Runtime. The graph reads the caller's input memory and writes the caller's output memory; a run costs no managed
/// allocation. Disposing while runs are in progress lets them finish.
/// </summary>
public sealed unsafe class OnnxModel : IModel
{
    private readonly OrtRuntime _runtime;
    private readonly OrtSession _session;
    private readonly TensorSpec[] _inputs, _outputs;

    private OnnxModel(string name, OrtRuntime runtime, nint session, string provider)
    {
        (Name, _runtime, Provider) = (name, runtime, provider);
        try
        {
            _inputs = OrtGraph.Describe(runtime, session, name, inputs: true);
            _outputs = OrtGraph.Describe(runtime, session, name, inputs: false);
            _session = new OrtSession(runtime, session, _inputs, _outputs);
        }
        catch
        {
            runtime.Api.ReleaseSession(session);
            throw;
        }
    }

    public string Name { get; }

    public IReadOnlyList<TensorSpec> Inputs => _inputs;

    public IReadOnlyList<TensorSpec> Outputs => _outputs;

    /// <summary>The execution provider really in use: <c>cpu</c>, <c>cuda</c> or <c>tensorrt</c>.</summary>
    public string Provider { get; }

    /// <summary>Version of the ONNX Runtime library.</summary>
    public string RuntimeVersion => _runtime.VersionText;

    /// <summary>Where that library was found.</summary>
    public string RuntimePath => _runtime.Path;

    /// <exception cref="ModelException">No runtime, no such file, no ONNX graph, or a provider that cannot be had.</exception>
    /// <param name="arena">False: slower, and no more memory than a run needs.</param>
    public static OnnxModel Load(string path, RuntimeOptions options, ILogger logger, bool arena = true)
    {
        if (!File.Exists(path)) throw new ModelException($"{path}: there is no such file.");
        var runtime = OrtRuntime.Get(options.Library);
        var (session, provider) = OrtProviders.Open(runtime, options, path, logger, CreateFromFile, arena);
        return new OnnxModel(path, runtime, session, provider);

        nint CreateFromFile(OrtSessionOptions settings, out nint status)
        {
            nint created;
            fixed (byte* file = Encoding.UTF8.GetBytes(path + '\0')) status = runtime.Api.CreateSession(runtime.Environment, file, settings.Handle, &created);
            return created;
        }
    }

    /// <param name="name">For messages.</param>
    /// <param name="graph">An ONNX file's bytes; copied.</param>
    /// <inheritdoc cref="Load(string, RuntimeOptions, ILogger, bool)"/>
    public static OnnxModel Load(string name, ReadOnlyMemory<byte> graph, RuntimeOptions options, ILogger logger)
    {
        var runtime = OrtRuntime.Get(options.Library);
        var (session, provider) = OrtProviders.Open(runtime, options, name, logger, CreateFromBytes);
        return new OnnxModel(name, runtime, session, provider);

        nint CreateFromBytes(OrtSessionOptions settings, out nint status)
        {
            nint created;
            fixed (byte* bytes = graph.Span) status = runtime.Api.CreateSessionFromArray(runtime.Environment, bytes, (nuint)graph.Length, settings.Handle, &created);
            return created;
        }
    }

    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        CheckShapes("input", _inputs, inputs);
        CheckShapes("output", _outputs, outputs);
        var values = stackalloc nint[inputs.Length + outputs.Length];
        new Span<nint>(values, inputs.Length + outputs.Length).Clear();
        var held = false;
        try
        {
            _session.DangerousAddRef(ref held);
            // A value is a small native header over the tensor's memory; making them for each run costs less than keeping track of them.
            Describe(inputs, values);
            Describe(outputs, values + inputs.Length);
            var status = _runtime.Api.Run(_session.DangerousGetHandle(), 0, _session.InputNames, values, (nuint)inputs.Length,
                _session.OutputNames, (nuint)outputs.Length, values + inputs.Length);
            if (status != 0) throw new ModelException($"{Name}: the run failed: {_runtime.TakeMessage(status)}");
        }
        finally
        {
            for (var i = 0; i < inputs.Length + outputs.Length; i++)
                if (values[i] != 0) _runtime.Api.ReleaseValue(values[i]);
            if (held) _session.DangerousRelease();
            // Their finalizers must not free the memory under the native call.
            foreach (var tensor in inputs) GC.KeepAlive(tensor);
            foreach (var tensor in outputs) GC.KeepAlive(tensor);
        }
    }

    public void Dispose() => _session.Dispose();

    private void Describe(ReadOnlySpan<Tensor> tensors, nint* values)
    {
        for (var i = 0; i < tensors.Length; i++)
        {
            var tensor = tensors[i];
            fixed (long* shape = tensor.Shape)
            {
                var status = _runtime.Api.CreateTensorWithDataAsOrtValue(_runtime.CpuMemory, tensor.Data, (nuint)tensor.Length * sizeof(float),
                    shape, (nuint)tensor.Shape.Length, OrtApi.Float32, values + i);
                if (status != 0) throw new ModelException($"{Name}: {_runtime.TakeMessage(status)}");
            }
        }
    }

    private void CheckShapes(string side, TensorSpec[] specs, ReadOnlySpan<Tensor> tensors)
    {
        if (tensors.Length != specs.Length) throw new ModelException($"{Name}: {tensors.Length} {side} tensors were given, the graph has {specs.Length}.");
        for (var i = 0; i < specs.Length; i++)
            if (!TensorShape.Fits(specs[i].Shape, tensors[i].Shape))
                throw new ModelException($"{Name}: {side} {specs[i].Name} has shape {TensorShape.Text(tensors[i].Shape)}, the graph wants {TensorShape.Text(specs[i].Shape)}.");
    }
}
