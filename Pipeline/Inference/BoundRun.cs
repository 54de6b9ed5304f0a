using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Tensor = Dvis.Streaming.Pipeline.Memory.Tensor;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// Native headers over the memory of one set of tensors, kept from run to run. The memory is the caller's, used only in
/// <see cref="Run"/> after <see cref="Bind"/>. Not thread-safe.
/// </summary>
internal sealed class BoundRun : IDisposable
{
    private readonly InferenceSession _session;
    private readonly IReadOnlyList<string> _inputNames, _outputNames;
    private readonly OrtValue[] _inputs, _outputs;
    private readonly Place[] _inputPlaces, _outputPlaces;

    // Null on a GPU: a binding copies inputs to the device when they are bound, not when it runs, and would miss later
    // values (onnxruntime.ai, C# API, OrtIoBinding).
    private readonly OrtIoBinding? _binding;

    public BoundRun(InferenceSession session, bool onCpu)
    {
        _session = session;
        (_inputNames, _outputNames) = (session.InputNames, session.OutputNames);
        (_inputs, _inputPlaces) = (new OrtValue[_inputNames.Count], new Place[_inputNames.Count]);
        (_outputs, _outputPlaces) = (new OrtValue[_outputNames.Count], new Place[_outputNames.Count]);
        if (onCpu) _binding = session.CreateIoBinding();
    }

    /// <summary>True when these tensors are bound: the same memory in the same shape.</summary>
    public bool Holds(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
        => Holds(_inputPlaces, inputs) && Holds(_outputPlaces, outputs);

    /// <summary>Makes new headers for the tensors that differ from those bound.</summary>
    /// <exception cref="ObjectDisposedException">A tensor was disposed.</exception>
    /// <exception cref="OnnxRuntimeException">The library refuses a header.</exception>
    public void Bind(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        for (var i = 0; i < inputs.Length; i++)
            if (Renew(inputs[i], ref _inputs[i], ref _inputPlaces[i])) _binding?.BindInput(_inputNames[i], _inputs[i]);
        for (var i = 0; i < outputs.Length; i++)
            if (Renew(outputs[i], ref _outputs[i], ref _outputPlaces[i]))
                _binding?.BindOutput(_outputNames[i], _outputs[i]);
    }

    /// <exception cref="OnnxRuntimeException">The run failed.</exception>
    public void Run(RunOptions options)
    {
        if (_binding is not null) _session.RunWithBinding(options, _binding);
        else _session.Run(options, _inputNames, _inputs, _outputNames, _outputs);
    }

    public void Dispose()
    {
        _binding?.Dispose();
        foreach (var value in _inputs) value?.Dispose();
        foreach (var value in _outputs) value?.Dispose();
    }

    private static bool Holds(Place[] places, ReadOnlySpan<Tensor> tensors)
    {
        for (var i = 0; i < places.Length; i++)
            if (!places[i].IsOf(tensors[i])) return false;
        return true;
    }

    private static bool Renew(Tensor tensor, ref OrtValue value, ref Place place)
    {
        if (place.IsOf(tensor)) return false;
        var bytes = (long)tensor.Length * sizeof(float);
        var renewed = OrtValue.CreateTensorValueWithData(
            OrtMemoryInfo.DefaultInstance, TensorElementType.Float, tensor.Shape, tensor.Data, bytes);
        value?.Dispose(); // the binding has a reference of its own until it is given another
        (value, place) = (renewed, new Place(tensor.Data, tensor.Shape));
        return true;
    }

    /// <summary>Memory and shape of a tensor when its header was made.</summary>
    private readonly record struct Place(nint Data, long[] Shape)
    {
        public bool IsOf(Tensor tensor) => tensor.Data == Data && Shape.AsSpan().SequenceEqual(tensor.Shape);
    }
}
