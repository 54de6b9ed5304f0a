using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>Runs of temporal attention refinement (TAR; RefineVIS, eq. 4). Without state: thread-safe.</summary>
/// <param name="graphs">The caller's.</param>
public sealed class TemporalRefinement(ModelGraphs graphs, TensorPool pool)
{
    private readonly IModel _refine = graphs[MethodContract.Refine];

    /// <summary>Refines N tracklets in T frames by their embeddings in W frames. The answer is the caller's.</summary>
    /// <param name="query">Shape [T,N,C]; zeros where a tracklet has no detection.</param>
    /// <param name="queryFrames">Frame numbers modulo <see cref="ModelManifest.FramePeriod"/>, shape [T].</param>
    /// <param name="window">Shape [W,N,C].</param>
    /// <param name="windowFrames">Shape [W].</param>
    /// <exception cref="ModelException">The graph failed.</exception>
    public RefinedTracklets Run(Tensor query, Tensor queryFrames, Tensor window, Tensor windowFrames)
    {
        var ((frames, count), manifest) = ((query.Shape[0], query.Shape[1]), graphs.Manifest);
        var refined = new RefinedTracklets(
            pool.Rent(query.Shape), pool.Rent(frames, count, manifest.ClassCount + 1),
            pool.Rent(frames, count, manifest.MaskChannels));
        try
        {
            _refine.Run(
                [query, queryFrames, window, windowFrames], [refined.Embeds, refined.Logits, refined.MaskEmbeds]);
            return refined;
        }
        catch
        {
            refined.Dispose();
            throw;
        }
    }
}

/// <summary>Refined embeddings of N tracklets in T frames, with what the segmenter's heads make of them.</summary>
/// <param name="Embeds">Shape [T,N,C].</param>
/// <param name="Logits">Shape [T,N,K+1].</param>
/// <param name="MaskEmbeds">Shape [T,N,Cm].</param>
public sealed record RefinedTracklets(Tensor Embeds, Tensor Logits, Tensor MaskEmbeds) : IDisposable
{
    public void Dispose()
    {
        Embeds.Dispose();
        Logits.Dispose();
        MaskEmbeds.Dispose();
    }
}
