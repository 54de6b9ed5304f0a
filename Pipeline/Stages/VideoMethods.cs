using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.Dvis;
using Dvis.Streaming.Pipeline.Methods.MinVis;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>Implementation of each method of the manifest.</summary>
public static class VideoMethods
{
    /// <param name="refiner">Lengths of the clips of a method that revises.</param>
    public static IVideoMethod Create(ModelGraphs graphs, TensorPool pool, RefinerOptions refiner)
        => graphs.Manifest.Method == MethodContract.MinVis
            ? new MinVisMethod(graphs, pool)
            : new DvisMethod(graphs, pool, new ClipLengths(refiner.Window, refiner.Stride, refiner.Lookahead));
}
