namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// The graphs of one DVIS model, loaded once and shared by all cameras. Inputs and outputs, in this order
/// (<c>B</c> frames, <c>T</c> frames of a window, <c>Q</c> queries, <c>C</c> hidden size, <c>Cm</c> mask channels, <c>K</c> classes):
/// </summary>
public sealed class DvisModels(ModelManifest manifest, IModel segmenter, IModel tracker, IModel? frameForward = null, IModel? refiner = null) : IDisposable
{
    public ModelManifest Manifest { get; } = manifest;

    /// <summary>image [B,3,H,W] → frame_embeds [B,Q,C], mask_features [B,Cm,H/s,W/s], frame_logits [B,Q,K+1].</summary>
    public IModel Segmenter { get; } = segmenter;

    /// <summary>
    /// frame_embeds [B,Q,C], matched_embeds [B,Q,C], reference [B,Q,C], is_first [B] →
    /// instance_embeds [B,Q,C] (after the norm), reference_out [B,Q,C] (before it), logits [B,Q,K+1], mask_embeds [B,Q,Cm].
    /// </summary>
    public IModel Tracker { get; } = tracker;

    /// <summary>frame_embeds [N,Q,C] → memory [N,Q,C]; null in mode <c>online</c>.</summary>
    public IModel? FrameForward { get; } = frameForward;

    /// <summary>instance_embeds [T,Q,C], memory [T,Q,C] → logits [Q,K+1], mask_embeds [T,Q,Cm]; null in mode <c>online</c>.</summary>
    public IModel? Refiner { get; } = refiner;

    public void Dispose()
    {
        Segmenter.Dispose();
        Tracker.Dispose();
        FrameForward?.Dispose();
        Refiner?.Dispose();
    }
}
