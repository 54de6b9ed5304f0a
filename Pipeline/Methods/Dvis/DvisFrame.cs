using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods.Dvis;

/// <summary>Frame that the refiner may see: with the segmenter's queries until its memory is computed.</summary>
/// <param name="answer">The tracker's; what it owns passes to this frame.</param>
/// <param name="frameEmbeds">Queries in the segmenter's own order, shape [1,Q,C]; owned.</param>
public sealed class DvisFrame(QueryFrame answer, Tensor frameEmbeds)
    : QueryFrame(answer.InstanceEmbeds, answer.Logits, answer.MaskEmbeds)
{
    internal Tensor FrameEmbeds => frameEmbeds;

    /// <summary>Answer of <c>frame_forward</c>, shape [1,Q,C]; null: not computed yet.</summary>
    internal Tensor? Memory { get; private set; }

    public override void Dispose()
    {
        base.Dispose();
        frameEmbeds.Dispose();
        Memory?.Dispose();
    }

    internal void Remember(Tensor memory)
    {
        Memory = memory;
        frameEmbeds.Dispose();
    }
}
