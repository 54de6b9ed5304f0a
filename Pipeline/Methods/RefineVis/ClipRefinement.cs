using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>
/// TAR over a clip: every frame attends to every frame, by the raw embeddings (RefineVIS, offline). Class scores are
/// the mean over the detections of the clip (IDOL). Without state: thread-safe.
/// </summary>
public sealed class ClipRefinement(TemporalRefinement refinement, ModelManifest manifest, TensorPool pool)
{
    private const float Never = -20; // logit of a class of an empty slot; that of "no object" is 0

    private readonly int _width = manifest.ClassCount + 1;

    /// <param name="window">Frames of type <see cref="RefineVisFrame"/>, oldest first.</param>
    /// <inheritdoc cref="IVideoMethod.Revise"/>
    public ClipRevision Revise(IReadOnlyList<QueryFrame> window)
    {
        var frames = new RefineVisFrame[window.Count];
        for (var t = 0; t < frames.Length; t++) frames[t] = (RefineVisFrame)window[t];
        var slots = SlotsOf(frames);
        var revision = new ClipRevision(
            pool.Rent(manifest.Queries, _width), pool.Rent(frames.Length, manifest.Queries, manifest.MaskChannels))
        { StandsAlone = true };
        try
        {
            Empty(revision.Logits.Span, _width);
            revision.MaskEmbeds.Span.Clear();
            if (slots.Count > 0) Refine(frames, slots, revision);
            return revision;
        }
        catch
        {
            revision.Dispose();
            throw;
        }
    }

    /// <summary>Logits of empty slots, shape [Q,K+1].</summary>
    internal static void Empty(Span<float> logits, int width)
    {
        logits.Fill(Never);
        for (var last = width - 1; last < logits.Length; last += width) logits[last] = 0;
    }

    /// <summary>
    /// True when the frame has a mask of the tracklet: it was detected, or an object is more probable than none. For a
    /// frame without its object a mask embedding was never trained.
    /// </summary>
    /// <param name="probabilities">Shape [K+1].</param>
    public static bool IsShown(bool detected, ReadOnlySpan<float> probabilities)
        => detected || probabilities[^1] < 0.5f;

    private List<int> SlotsOf(RefineVisFrame[] frames)
    {
        var slots = new List<int>();
        for (var slot = 0; slot < manifest.Queries; slot++)
            if (Array.Exists(frames, frame => frame.Tracklets![slot] != QueryFrame.NoTracklet)) slots.Add(slot);
        return slots;
    }

    private void Refine(RefineVisFrame[] frames, List<int> slots, ClipRevision revision)
    {
        var channels = manifest.HiddenSize;
        using var embeds = pool.Rent(frames.Length, slots.Count, channels);
        using var numbers = pool.Rent(frames.Length);
        for (var t = 0; t < frames.Length; t++)
        {
            numbers.Span[t] = frames[t].Number;
            for (var n = 0; n < slots.Count; n++)
                frames[t].InstanceEmbeds.Span.Slice(slots[n] * channels, channels)
                    .CopyTo(embeds.Span[((t * slots.Count + n) * channels)..]);
        }

        using var refined = refinement.Run(embeds, numbers, embeds, numbers);
        for (var n = 0; n < slots.Count; n++) Write(frames, slots, n, refined, revision);
    }

    private void Write(
        RefineVisFrame[] frames, List<int> slots, int n, RefinedTracklets refined, ClipRevision revision)
    {
        var (slot, channels) = (slots[n], manifest.MaskChannels);
        var probabilities = new float[_width];
        var mean = revision.Logits.Span.Slice(slot * _width, _width);
        mean.Clear();
        var all = !Array.Exists(frames, frame => frame.Detected[slot]);
        for (var t = 0; t < frames.Length; t++)
        {
            var row = t * slots.Count + n;
            MaskKernels.Softmax(refined.Logits.Span.Slice(row * _width, _width), probabilities);
            if (all || frames[t].Detected[slot]) TensorPrimitives.Add(mean, probabilities, mean);
            if (!IsShown(frames[t].Detected[slot], probabilities)) continue;
            refined.MaskEmbeds.Span.Slice(row * channels, channels)
                .CopyTo(revision.MaskEmbeds.Span[((t * manifest.Queries + slot) * channels)..]);
        }

        // Logits whose softmax is the mean of the probabilities.
        TensorPrimitives.Divide(mean, TensorPrimitives.Sum<float>(mean), mean);
        TensorPrimitives.Log(mean, mean);
    }
}
