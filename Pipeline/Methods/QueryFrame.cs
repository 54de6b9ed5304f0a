using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// Answer of a method for one frame; row = slot. One owner, who disposes it; the tensors are pooled. A family whose
/// revision needs more of a frame derives from it.
/// </summary>
/// <param name="instanceEmbeds">Shape [1,Q,C].</param>
/// <param name="logits">Shape [1,Q,K+1].</param>
/// <param name="maskEmbeds">Shape [1,Q,Cm].</param>
public class QueryFrame(Tensor instanceEmbeds, Tensor logits, Tensor maskEmbeds) : IDisposable
{
    /// <summary>Entry of <see cref="Tracklets"/> for an empty slot.</summary>
    public const long NoTracklet = -1;

    /// <summary>Appearance of the objects, similar for the same object. Shape [1,Q,C].</summary>
    public Tensor InstanceEmbeds { get; } = instanceEmbeds;

    /// <summary>Class logits, shape [1,Q,K+1]; the last column is "no object".</summary>
    public Tensor Logits { get; } = logits;

    /// <summary>Weights of the mask features, shape [1,Q,Cm]; disposed once the frame's masks are made.</summary>
    public Tensor MaskEmbeds { get; } = maskEmbeds;

    /// <summary>Shape [Q]: the segmenter's query in each slot; empty: slots are no queries of the segmenter.</summary>
    public ReadOnlyMemory<int> Sources { get; init; }

    /// <summary>
    /// Place, from 1, in the clip to which the method has assigned the frame; 0: any frames may be revised together.
    /// </summary>
    public int ClipPlace { get; init; }

    /// <summary>
    /// Number of the object in each slot where the method itself decides identity, length Q; null: place and appearance
    /// decide.
    /// </summary>
    public long[]? Tracklets { get; init; }

    public virtual void Dispose()
    {
        InstanceEmbeds.Dispose();
        Logits.Dispose();
        MaskEmbeds.Dispose();
        GC.SuppressFinalize(this);
    }
}
