using System.Globalization;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Port of the inference runtime: named tensors in and out, all preallocated by the caller.</summary>
public interface IModel : IDisposable
{
    /// <summary>For messages: the file it came from.</summary>
    string Name { get; }

    IReadOnlyList<TensorSpec> Inputs { get; }

    IReadOnlyList<TensorSpec> Outputs { get; }

    /// <summary>
    /// Runs the graph once. <paramref name="inputs"/> and <paramref name="outputs"/> are in the order of
    /// <see cref="Inputs"/> and <see cref="Outputs"/> and carry the concrete shapes of this call. Thread-safe: calls
    /// with different tensors may overlap.
    /// </summary>
    /// <exception cref="ModelException">
    /// A shape does not fit, or the runtime failed; the message names model, tensor and both shapes.
    /// </exception>
    void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs);
}

/// <summary>Name and shape of one input or output; -1 stands for a dynamic side.</summary>
public sealed record TensorSpec(string Name, long[] Shape)
{
    public override string ToString() => $"{Name} {Text(Shape)}";

    /// <summary>A shape as in <c>[?,3,64]</c>.</summary>
    internal static string Text(long[] shape)
        => $"[{string.Join(',', shape.Select(s => s < 0 ? "?" : s.ToString(CultureInfo.InvariantCulture)))}]";

    internal bool Fits(long[] found)
    {
        if (Shape.Length != found.Length) return false;
        for (var i = 0; i < found.Length; i++)
            if (Shape[i] >= 0 && found[i] >= 0 && Shape[i] != found[i]) return false;
        return true;
    }
}

/// <summary>A model folder, graph or run that cannot work; the message is one sentence with its place.</summary>
public sealed class ModelException(string message, Exception? inner = null) : Exception(message, inner);
