using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>What the graphs take and give, in this order, for a manifest's sizes. -1 is a side the caller chooses.</summary>
internal sealed record ModelContract(TensorSpec[] Inputs, TensorSpec[] Outputs)
{
    private const long Any = -1;

    /// <summary>The contract of one graph by its name in the manifest.</summary>
    public static ModelContract For(string graph, ModelManifest m)
    {
        var queries = (string name) => new TensorSpec(name, [Any, m.Queries, m.HiddenSize]);
        var masks = new TensorSpec("mask_embeds", [Any, m.Queries, m.MaskChannels]);
        var logits = (string name) => new TensorSpec(name, [Any, m.Queries, m.ClassCount + 1]);
        var some = (string name) => new TensorSpec(name, [Any, Any, m.HiddenSize]);
        return graph switch
        {
            "segmenter" => new([new("image", [Any, 3, Any, Any])],
                [queries("frame_embeds"), new("mask_features", [Any, m.MaskChannels, Any, Any]), logits("frame_logits")]),
            "tracker" or "matcher" => new([queries("frame_embeds"), queries("matched_embeds"), queries("reference"), new("is_first", [Any])],
                [queries("instance_embeds"), queries("reference_out"), logits("logits"), masks]),
            "frame_forward" => new([queries("frame_embeds")], [queries("memory")]),
            "refiner" => new([queries("instance_embeds"), queries("memory")], [new("logits", [m.Queries, m.ClassCount + 1]), masks]),
            "refiner_attention" => new([new("layer", [1]), some("embeds"), some("block")], [some("mixed"), new("weight", [Any, Any, m.RefinerHeads])]),
            "refiner_layer" => new([new("layer", [1]), queries("embeds"), queries("mixed"), queries("memory")], [queries("refined")]),
            "refiner_heads" => new([queries("embeds")], [new("logits", [m.Queries, m.ClassCount + 1]), new("weight", [m.Queries, 1]), masks]),
            _ => throw new ArgumentOutOfRangeException(nameof(graph), graph, "No such graph."),
        };
    }

    /// <exception cref="ModelException">A name, the order or a shape differs; names the file, the tensor and both shapes.</exception>
    public void Check(IModel model)
    {
        Check(model.Name, "input", Inputs, model.Inputs);
        Check(model.Name, "output", Outputs, model.Outputs);
    }

    /// <summary>Runs the graph once on zeros, with <paramref name="batch"/> for the first free side and <paramref name="height"/> x <paramref name="width"/> pixels for an image.</summary>
    /// <remarks>The shapes a graph declares may be open; only a run shows what it really gives, and it belongs to the start, not to frame 1.</remarks>
    /// <exception cref="ModelException">The graph cannot run at these sizes.</exception>
    public void Prove(IModel model, int batch, int height, int width, int maskStride)
    {
        var inputs = Array.ConvertAll(Inputs, spec => new Tensor(Concrete(spec.Shape, 1)));
        var outputs = Array.ConvertAll(Outputs, spec => new Tensor(Concrete(spec.Shape, maskStride)));
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
            if (sides.Length == 4) (sides[2], sides[3]) = (height / stride, width / stride);
            return sides;
        }
    }

    private static void Check(string model, string side, TensorSpec[] wanted, IReadOnlyList<TensorSpec> found)
    {
        for (var i = 0; i < wanted.Length; i++)
        {
            if (i >= found.Count || found[i].Name != wanted[i].Name)
                throw new ModelException($"{model}: {side} {i + 1} is {(i < found.Count ? found[i].Name : "missing")}, expected {wanted[i].Name} {TensorShape.Text(wanted[i].Shape)}.");
            if (!TensorShape.Fits(wanted[i].Shape, found[i].Shape))
                throw new ModelException($"{model}: {side} {wanted[i].Name} has shape {TensorShape.Text(found[i].Shape)}, the manifest says {TensorShape.Text(wanted[i].Shape)}.");
        }

        if (found.Count > wanted.Length) throw new ModelException($"{model}: there is an {side} more than expected, {found[wanted.Length].Name}.");
    }
}
