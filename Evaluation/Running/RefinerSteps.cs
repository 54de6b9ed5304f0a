using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// The refiner as steps over a few frames each: together they answer what the graph <c>refiner</c> answers at once (up
/// to rounding), and none needs the whole video. Tensors: <see cref="MethodContract.Dvis"/>; <c>layer</c> [1] is the
/// number of a layer.
/// </summary>
/// <param name="Attention">
/// Over time: the frames attend to those of a block, N queries each to itself. Over several blocks the answer is the
/// mean of <c>mixed</c>, head by head, with weights exp(<c>weight</c>).
/// </param>
/// <param name="Layer">
/// What follows in the layer. Right but for the outer <see cref="Margin"/> frames, where the video goes on beyond them.
/// </param>
/// <param name="Heads">After the last layer. Logits of several blocks: as for <paramref name="Attention"/>.</param>
public sealed record RefinerSteps(IModel Attention, IModel Layer, IModel Heads)
{
    /// <summary>
    /// Frames to each side that a layer looks at beside its attention:
    /// two convolutions over time, of 5 and of 3 frames.
    /// </summary>
    public const int Margin = 3;

    /// <param name="graphs">With those of <see cref="GraphUse.WholeVideo"/>; their owner.</param>
    public RefinerSteps(ModelGraphs graphs)
        : this(
            graphs[MethodContract.RefinerAttention], graphs[MethodContract.RefinerLayer],
            graphs[MethodContract.RefinerHeads])
    {
    }
}
