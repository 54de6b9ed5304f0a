using System.Globalization;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Use of a graph, and so when a model folder must have it.</summary>
public enum GraphUse
{
    /// <summary>On each frame: every model has it.</summary>
    Online,

    /// <summary>On clips, to revise their frames: a model has all graphs of this use or none.</summary>
    Revision,

    /// <summary>On whole videos, by <c>dvis eval</c>: all or none, only with those of <see cref="Revision"/>.</summary>
    WholeVideo,

    /// <summary>By <c>dvis eval</c> only: a model may lack it.</summary>
    Evaluation,
}

/// <summary>Inputs and outputs of a graph, in this order.</summary>
/// <param name="Name">Name in the manifest.</param>
/// <param name="Inputs">
/// Tensors as <c>name [B,Q,C]</c>, separated by commas. A side is a number or a size of the manifest: <c>Q</c> queries,
/// <c>F</c> queries of a frame, <c>V</c> video queries, <c>C</c> hidden size, <c>Cm</c> mask channels, <c>K+1</c>
/// classes and "no object", <c>heads</c> of the refiner. Any other word is a side that the caller chooses: <c>B</c> and
/// <c>N</c> frames, <c>T</c> frames of a clip, and so on.
/// </param>
/// <param name="Outputs">As the inputs.</param>
public sealed partial record GraphContract(string Name, GraphUse Use, string Inputs, string Outputs)
{
    private const long Any = -1;

    /// <summary>True when every tensor has a batch before its other sides.</summary>
    public bool TakesBatches => Tensors().Matches($"{Inputs}, {Outputs}")
        .All(tensor => tensor.Groups[2].Value.StartsWith("B,", StringComparison.Ordinal));

    /// <exception cref="ModelException">A name, the order or a shape differs; names both.</exception>
    public void Check(IModel model, ModelManifest manifest)
    {
        Check(model.Name, "input", Parse(Inputs, manifest), model.Inputs);
        Check(model.Name, "output", Parse(Outputs, manifest), model.Outputs);
    }

    /// <summary>
    /// Runs the graph once on zeros: <paramref name="batch"/> for the first free side, and these sides of an image.
    /// Declared shapes may be open; only a run shows the real ones.
    /// </summary>
    /// <exception cref="ModelException">The graph cannot run at these sizes.</exception>
    public void Prove(IModel model, ModelManifest manifest, int batch, int height, int width)
    {
        var inputs = Array.ConvertAll(Parse(Inputs, manifest), spec => new Tensor(Concrete(spec.Shape, 1)));
        var outputs = Array.ConvertAll(
            Parse(Outputs, manifest), spec => new Tensor(Concrete(spec.Shape, manifest.MaskStride)));
        try
        {
            model.Run(inputs, outputs);
        }
        finally
        {
            foreach (var tensor in inputs.Concat(outputs)) tensor.Dispose();
        }

        long[] Concrete(long[] shape, int stride)
        {
            long[] sides = [.. shape];
            if (sides[0] == Any) sides[0] = batch;
            if (sides is [_, Any, _]) sides[1] = 1;
            if (sides is [_, _, Any, Any]) (sides[2], sides[3]) = (height / stride, width / stride);
            if (sides is [_, Any, _, _]) sides[1] = manifest.Clip;
            return sides;
        }
    }

    private static TensorSpec[] Parse(string tensors, ModelManifest manifest) =>
    [
        .. Tensors().Matches(tensors).Select(t => new TensorSpec(
            t.Groups[1].Value, Array.ConvertAll(t.Groups[2].Value.Split(','), side => Length(side, manifest)))),
    ];

    private static long Length(string side, ModelManifest manifest) => side switch
    {
        "Q" => manifest.Queries,
        "F" => manifest.FrameQueries,
        "V" => manifest.VideoQueries,
        "C" => manifest.HiddenSize,
        "Cm" => manifest.MaskChannels,
        "K+1" => manifest.ClassCount + 1,
        "heads" => manifest.RefinerHeads,
        _ => long.TryParse(side, CultureInfo.InvariantCulture, out var length) ? length : Any,
    };

    private static void Check(string model, string side, TensorSpec[] wanted, IReadOnlyList<TensorSpec> found)
    {
        for (var i = 0; i < wanted.Length; i++)
        {
            var (name, shape) = (wanted[i].Name, TensorSpec.Text(wanted[i].Shape));
            var has = i < found.Count ? found[i].Name : "missing";
            if (has != name) throw new ModelException($"{model}: {side} {i + 1} is {has}, expected {name} {shape}.");
            if (wanted[i].Fits(found[i].Shape)) continue;
            var other = TensorSpec.Text(found[i].Shape);
            throw new ModelException($"{model}: {side} {name} has shape {other}, the manifest has {shape}.");
        }

        if (found.Count <= wanted.Length) return;
        throw new ModelException($"{model}: there is an {side} more than expected, {found[wanted.Length].Name}.");
    }

    [GeneratedRegex(@"(\w+) \[([^\]]+)\]")]
    private static partial Regex Tensors();
}
