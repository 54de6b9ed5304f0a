using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>Frame with its tracklets, by slot.</summary>
/// <param name="embeds">
/// The segmenter's embedding of each tracklet, shape [1,Q,C]; zeros where it has no detection.
/// </param>
/// <param name="number">Frame number since the epoch began, modulo the period of its encoding.</param>
public sealed class RefineVisFrame(Tensor embeds, Tensor logits, Tensor maskEmbeds, float number, int queries)
    : QueryFrame(embeds, logits, maskEmbeds)
{
    public float Number { get; } = number;

    /// <summary>True for slots whose tracklet has a detection, length Q.</summary>
    public bool[] Detected { get; } = new bool[queries];
}
