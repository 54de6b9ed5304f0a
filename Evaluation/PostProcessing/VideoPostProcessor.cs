using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation.PostProcessing;

/// <summary>
/// From a video's class probabilities and, frame by frame, mask logits to its result, by the rules of the official
/// inference. The probabilities come first, because they say which queries' masks are wanted at all. One a video and
/// mode; not thread-safe.
/// </summary>
public abstract class VideoPostProcessor
{
    /// <summary>Queries whose masks <see cref="Add"/> takes, in this order.</summary>
    public abstract IReadOnlyList<int> Wanted { get; }

    /// <summary>The next frame.</summary>
    /// <param name="logits">Shape [Wanted,MaskHeight,MaskWidth].</param>
    public abstract void Add(ReadOnlySpan<float> logits);

    /// <summary>After the last frame.</summary>
    public abstract VideoResult Complete();

    /// <summary>The rules of the model's task.</summary>
    /// <param name="probabilities">Shape [Q,K+1].</param>
    /// <param name="topK">Instances a video.</param>
    /// <param name="rule">Of panoptic results; null: the manifest's.</param>
    public static VideoPostProcessor Create(ModelManifest manifest, float[] probabilities, int topK,
        PanopticRule? rule, in InputGeometry input) => manifest.Task switch
        {
            ModelTask.Vps => new PanopticPostProcessor(
                probabilities, manifest.Classes, rule ?? manifest.Panoptic, input, manifest.MaskStride),
            ModelTask.Vss => new SemanticPostProcessor(probabilities, manifest.ClassCount, input, manifest.MaskStride),
            _ => new InstancePostProcessor(
                probabilities, manifest.ClassCount, topK, input, manifest.MaskStride,
                maskQuality: manifest.Method.Scoring is ScoringRule.MaxSoftmaxMaskQuality or ScoringRule.MaskQuality,
                above: manifest.Method.Scoring == ScoringRule.MeanOverDetections ? 0.05f : null),
        };
}
