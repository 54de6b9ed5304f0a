using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.Dvis;
using Dvis.Streaming.Pipeline.Methods.GenVis;
using Dvis.Streaming.Pipeline.Methods.MinVis;
using Dvis.Streaming.Pipeline.Methods.RefineVis;
using Dvis.Streaming.Pipeline.Methods.Vita;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>Implementation of each method of the manifest.</summary>
public static class VideoMethods
{
    /// <param name="refiner">Lengths of the clips of a method with a refiner.</param>
    /// <param name="maxDelay">Age at which a clip ends; null: only at its length.</param>
    public static IVideoMethod Create(
        ModelGraphs graphs, TensorPool pool, RefinerOptions refiner, TimeProvider time, TimeSpan? maxDelay)
    {
        var method = graphs.Manifest.Method;
        if (method == MethodContract.MinVis) return new MinVisMethod(graphs, pool);
        if (method == MethodContract.GenVis) return new GenVisMethod(graphs, pool, time, maxDelay);
        var clip = new ClipLengths(refiner.Window, refiner.Stride, refiner.Lookahead);
        if (method == MethodContract.RefineVis) return new RefineVisMethod(graphs, pool, graphs.Revises ? clip : null);
        return method.IsVita ? new VitaMethod(graphs, pool, clip) : new DvisMethod(graphs, pool, clip);
    }
}
