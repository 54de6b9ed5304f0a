using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// What refinement needs of one frame. One owner, who disposes it; the tensors are pooled.
/// Shapes: <c>InstanceEmbeds</c> and <c>FrameEmbeds</c> [1,Q,C], <c>Logits</c> [1,Q,K+1].
/// </summary>
public abstract class ClipFrame : IDisposable
{
    /// <summary>The tracker's, after the norm; row = slot.</summary>
    public required Tensor InstanceEmbeds { get; init; }

    /// <summary>The segmenter's, in its own order.</summary>
    public required Tensor FrameEmbeds { get; init; }

    /// <summary>The tracker's; row = slot.</summary>
    public required Tensor Logits { get; init; }

    /// <summary>The frame has its final masks: what only they needed goes. It stays as context of later clips.</summary>
    public virtual void Commit()
    {
    }

    public virtual void Dispose()
    {
        InstanceEmbeds.Dispose();
        FrameEmbeds.Dispose();
        Logits.Dispose();
        GC.SuppressFinalize(this);
    }
}
