namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// The refiner as steps over a few frames each: together they answer what the graph <c>refiner</c> answers at once (up to rounding), and none needs the whole
/// video. <c>layer</c> [1] is the number of a layer. Inputs and outputs, in this order, sides as in <see cref="DvisModels"/>:
/// </summary>
/// <param name="Attention">
/// Over time: layer, embeds [T,N,C], block [S,N,C] → mixed [T,N,C], weight [T,N,heads]. The frames attend to those of a block, N queries each
/// to itself. Over several blocks the answer is the mean of mixed, head by head, with weights exp(weight).
/// </param>
/// <param name="Layer">
/// What follows in the layer: layer, embeds [T,Q,C], mixed [T,Q,C], memory [T,Q,C] → refined [T,Q,C]. Right but for the outer <see cref="Margin"/>
/// frames, where the video goes on beyond them.
/// </param>
/// <param name="Heads">After the last layer: embeds [T,Q,C] → logits [Q,K+1], weight [Q,1], mask_embeds [T,Q,Cm]. Logits of several blocks: as for <paramref name="Attention"/>.</param>
public sealed record RefinerSteps(IModel Attention, IModel Layer, IModel Heads) : IDisposable
{
    /// <summary>Frames to each side that a layer looks at beside its attention: two convolutions over time, of 5 and of 3 frames.</summary>
    public const int Margin = 3;

    /// <summary>Their names in the manifest.</summary>
    public static IReadOnlyList<string> Graphs { get; } = ["refiner_attention", "refiner_layer", "refiner_heads"];

    public void Dispose()
    {
        Attention.Dispose();
        Layer.Dispose();
        Heads.Dispose();
    }
}
